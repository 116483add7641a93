//! A compiled limit.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use gabion_core::{
    Cause, ClientIp, Denial, LimitCount, Mode, Offense, Quota, Reason, RemoteCheck, RequestState,
    RuleId, Slot, Verdict,
};
use governor::middleware::StateSnapshot;
use http::StatusCode;

use super::{gcra::Gcra, key::Key, scope::Scope, sharing::SharedId};

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) mode: Mode,
    pub(super) scope: Scope,
    pub(super) keys: Vec<Key>,
    /// `true` if the client chooses the value of a key.
    pub(super) is_client_chosen: bool,
    /// The quota of each key.
    pub(super) quota: RuleQuota,
    /// The quota of each address.
    pub(super) ceiling: RuleQuota,
    pub(super) cost: NonZeroU32,
    /// The id of the quota with a server that decides for all instances, if the limit is exact.
    pub(super) exact: Option<SharedId>,
    pub(super) show: bool,
    /// Set if the limit counts responses: the key of the request, zero if the limit does not apply.
    pub(super) slot: Option<Slot>,
    pub(super) ban: Option<LimitBan>,
}

/// The ban of a rule.
#[derive(Debug)]
pub(super) struct LimitBan {
    pub(super) ban_for: Duration,
    /// The quota of each client for the requests that are held against it.
    pub(super) quota: RuleQuota,
    /// Set if the limit counts responses: one if the request is held against its client, else zero.
    pub(super) slot: Option<Slot>,
}

/// One of the quotas of a rule.
#[derive(Debug)]
pub(super) struct RuleQuota {
    /// The secret hash of the rule id with the keys, or with the ceiling.
    pub(super) hash: u64,
    /// The keys, as shown in denials.
    pub(super) by: Arc<str>,
    pub(super) gcra: Gcra,
    /// The id of the quota in other instances; `None` if they do not exchange its counts.
    pub(super) shared: Option<SharedId>,
}

/// A quota with too few units left, and the time after which a retry can succeed.
pub(super) struct Exceeded<'r> {
    pub(super) quota: &'r RuleQuota,
    pub(super) wait: Duration,
}

/// The share of a client in the requests over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Responsibility {
    /// The requests that are held against the client are within the limit, or the limit does not ban.
    Shared,
    /// The requests that are held against the client exceed the limit by themselves.
    Sole,
}

// === impl Rule ===

impl Rule {
    /// Denies a request that exceeds a quota. In observe mode, records the denial.
    #[cold]
    pub(super) fn exceeded(
        &self,
        exceeded: Exceeded<'_>,
        responsibility: Responsibility,
        state: &mut RequestState,
    ) -> Verdict {
        let mut denial = self.denial(exceeded);
        if let Some(ban) = &self.ban
            && responsibility == Responsibility::Sole
        {
            // A retry before the end of the ban would be denied again.
            denial.retry_after = denial.retry_after.max(Some(ban.ban_for));
            denial.offense = Some(Offense::certain(self.id.clone(), ban.ban_for));
        }
        if denial.mode == Mode::Enforce {
            return denial.into();
        }
        state.observe(denial);
        Verdict::Pass
    }

    /// Lets a request wait for the server that decides about the quota `id` of `key`.
    #[cold]
    pub(super) fn check_remotely(&self, id: SharedId, key: u64, state: &mut RequestState) {
        let (quota, wait, gcra) = (&self.quota, Duration::ZERO, &self.quota.gcra);
        let count = LimitCount {
            quota: id.key,
            key,
            units: self.cost.get(),
        };
        let (burst, interval) = (gcra.limit().get(), gcra.interval());
        let denial = self.denial(Exceeded { quota, wait });
        state.add_remote_check(RemoteCheck::new(count, burst, interval, denial));
    }

    fn denial(&self, Exceeded { quota, wait }: Exceeded<'_>) -> Denial {
        let reason = Reason::OverLimit {
            limit: quota.gcra.limit().get(),
            window: quota.gcra.window(),
            by: Arc::clone(&quota.by),
        };
        Denial::new(
            Cause::new(self.id.clone(), reason),
            StatusCode::TOO_MANY_REQUESTS,
        )
        .with_mode(self.mode)
        .with_retry_after(wait)
    }

    /// Shows the quota after a check, or with a time to wait, in the `RateLimit` headers.
    #[inline(never)]
    pub(super) fn show_quota(
        &self,
        checked: &Result<StateSnapshot, Duration>,
        state: &mut RequestState,
    ) {
        let gcra = &self.quota.gcra;
        let (remaining, reset) = match checked {
            Ok(quota) => gcra.left(quota),
            Err(wait) => (0, *wait),
        };
        state.show_quota(Quota {
            rule: self.id.clone(),
            limit: gcra.limit().get(),
            window: gcra.window(),
            remaining,
            reset,
        });
    }
}

// === impl RuleQuota ===

impl RuleQuota {
    /// Returns the key of a client. Both hashes are secret, so that clients can neither choose nor
    /// find two pairs of quota and client with the same key.
    pub(super) const fn client_key(&self, client: &ClientIp) -> u64 {
        self.hash ^ client.key()
    }
}
