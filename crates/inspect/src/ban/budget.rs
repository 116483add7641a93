//! Upper bounds on the number of bans.
//!
//! A rule that exceeds them is more likely wrong than right: it matches an untrusted load balancer,
//! or a habit of honest clients; or the addresses are forged, because the policy trusts too many
//! hops.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use gabion_core::{BuildClientKeyHasher, ClientKey, Now};
use ipnet::IpNet;

use super::{BanConfig, activity::Activity};
use crate::{TableUsage, bounded_map::BoundedMap, timed_map::surrounding};

/// The ban budget: a maximum per minute, a maximum share of the active clients, and a maximum per
/// network.
///
/// Offenses that only the client itself can have caused have [`CERTAIN`] times the maximum per minute
/// of their own, so that those of one kind do not use up the bans of the other. They count toward the
/// share only if the service answered the client before: a rule that bans honest clients bans
/// clients that use the service.
#[derive(Debug)]
pub(super) struct BanBudget {
    per_minute: AtomicU32,
    percent: AtomicU32,
    activity: Activity,
    used: Mutex<Used>,
    networks: BoundedMap<ClientKey, NetworkBans, BuildClientKeyHasher>,
}

/// A ban to take from the budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// The network of the client ([`gabion_core::ClientIp::network`]).
    pub(super) client: IpNet,
    /// `true` if only the client itself can have caused the offense.
    pub(super) is_certain: bool,
    /// `true` if the service lately answered the client with success.
    pub(super) is_served: bool,
}

#[derive(Debug, Default)]
struct Used {
    minute: u64,
    certain_in_minute: u32,
    others_in_minute: u32,
    span: u64,
    in_span: u32,
    /// The last minute for which each exhausted limit was reported.
    reported: [Option<u64>; 3],
}

/// The bans within a network in a span.
#[derive(Clone, Debug, Default)]
struct NetworkBans {
    span: u64,
    bans: u32,
}

/// A limit of the budget.
#[derive(Clone, Copy, Debug)]
enum Limit {
    PerMinute,
    Percent,
    PerNetwork,
}

/// The factor of the maximum per minute for certain offenses.
const CERTAIN: u32 = 10;

/// The maximum number of bans within a /24 or /48 per [`SPAN`].
const MOST_PER_NETWORK: u32 = 16;

/// The maximum number of networks whose bans are counted.
const MAX_NETWORKS: usize = 4096;

/// The number of active clients below which the share does not apply.
const MIN_CLIENTS: f64 = 50.0;

/// The time over which bans and active clients are compared.
pub(super) const SPAN: Duration = Duration::from_mins(10);

impl Default for BanBudget {
    fn default() -> Self {
        let config = BanConfig::default();
        Self {
            per_minute: AtomicU32::new(config.most_per_minute),
            percent: AtomicU32::new(config.most_percent.into()),
            activity: Activity::default(),
            used: Mutex::default(),
            networks: BoundedMap::new(MAX_NETWORKS),
        }
    }
}

impl BanBudget {
    pub(super) fn usage(&self) -> TableUsage {
        self.networks.usage("banned-networks")
    }

    pub(super) fn set(&self, config: &BanConfig) {
        self.per_minute
            .store(config.most_per_minute, Ordering::Relaxed);
        self.percent
            .store(config.most_percent.into(), Ordering::Relaxed);
    }

    /// Counts the client with this key ([`gabion_core::ClientIp::key`]) as active.
    pub(super) fn count_client(&self, client: u64, now: Now) {
        self.activity.record(client, span(now));
    }

    /// Takes one ban from the budget. When the budget is exhausted, returns the reason once a
    /// minute for each limit.
    pub(super) fn take(&self, claim: Claim, now: Now) -> Result<(), Option<&'static str>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.start_new_periods(now);
        let network = ClientKey::from(surrounding(claim.client));
        if let Some(limit) = self.exhausted(&used, claim, network) {
            return Err(used.report(limit));
        }
        used.count(claim);
        let span = used.span;
        self.networks.update(network, |bans| bans.count(span));
        Ok(())
    }

    /// Returns the limit that does not admit a further ban.
    fn exhausted(&self, used: &Used, claim: Claim, network: ClientKey) -> Option<Limit> {
        let in_network = self.networks.get(network);
        if in_network.is_some_and(|bans| bans.at(used.span) >= MOST_PER_NETWORK) {
            return Some(Limit::PerNetwork);
        }
        let per_minute = self.per_minute.load(Ordering::Relaxed);
        let (in_minute, most) = if claim.is_certain {
            (used.certain_in_minute, per_minute.saturating_mul(CERTAIN))
        } else {
            (used.others_in_minute, per_minute)
        };
        if in_minute >= most {
            return Some(Limit::PerMinute);
        }
        let share = f64::from(self.percent.load(Ordering::Relaxed)) / 100.0;
        let clients = self.activity.estimate(used.span);
        let too_many = clients >= MIN_CLIENTS && f64::from(used.in_span) + 1.0 > clients * share;
        (claim.counts_toward_share() && too_many).then_some(Limit::Percent)
    }
}

// === impl Claim ===

impl Claim {
    const fn counts_toward_share(self) -> bool {
        !self.is_certain || self.is_served
    }
}

// === impl Used ===

impl Used {
    fn start_new_periods(&mut self, now: Now) {
        let minute = now.mono().as_secs() / 60;
        if self.minute != minute {
            self.minute = minute;
            (self.certain_in_minute, self.others_in_minute) = (0, 0);
        }
        if self.span != span(now) {
            (self.span, self.in_span) = (span(now), 0);
        }
    }

    const fn count(&mut self, claim: Claim) {
        let in_minute = if claim.is_certain {
            &mut self.certain_in_minute
        } else {
            &mut self.others_in_minute
        };
        *in_minute = in_minute.saturating_add(1);
        if claim.counts_toward_share() {
            self.in_span = self.in_span.saturating_add(1);
        }
    }

    /// Returns the reason of an exhausted limit, unless it was returned in this minute before.
    fn report(&mut self, limit: Limit) -> Option<&'static str> {
        let reported = self.reported.get_mut(limit as usize)?;
        let is_new = reported.replace(self.minute) != Some(self.minute);
        is_new.then_some(limit.reason())
    }
}

// === impl NetworkBans ===

impl NetworkBans {
    /// Returns the number of bans in this span.
    const fn at(&self, span: u64) -> u32 {
        if self.span == span { self.bans } else { 0 }
    }

    const fn count(&mut self, span: u64) {
        *self = Self {
            span,
            bans: self.at(span).saturating_add(1),
        };
    }
}

// === impl Limit ===

impl Limit {
    const fn reason(self) -> &'static str {
        match self {
            Self::PerMinute => {
                "`most_per_minute` in [ban] is reached: no bans until the next minute"
            }
            Self::Percent => {
                "`most_percent` in [ban] is reached: too many of the active clients would be banned"
            }
            Self::PerNetwork => {
                // The number is [`MOST_PER_NETWORK`].
                "16 clients of one /24 or /48 are banned: no more bans in that network within ten \
                 minutes"
            }
        }
    }
}

fn span(now: Now) -> u64 {
    now.mono().as_secs() / SPAN.as_secs()
}
