//! Decides whether an offense becomes a ban.
//!
//! A web page can cause its visitors to send any request that a link can express. Therefore the
//! [`Attribution`] of an offense decides:
//! 1. [`Attribution::Certain`], a request that only the client itself can have caused, bans.
//! 2. [`Attribution::Forgeable`], a request that a page can have caused, bans on the third
//!    different path within [`BanArbiter::MEMORY`], unless the client is in good standing. A path that is
//!    repeated [`BanArbiter::REPEATS`] times counts as another one. Good standing takes
//!    [`BanArbiter::GOOD`] recent successful responses that differ, or one opened WebSocket, to
//!    requests that matched no rule.
//! 3. [`Attribution::CrossSite`], a request that a page of another origin caused, never bans.
//!
//! No offense bans once the ban budget is used up ([`BanConfig::most_per_minute`] and
//! [`BanConfig::most_percent`]). Certain offenses have a larger budget of their own, so that forgeable
//! ones do not use it up, and no network can use up either.
//!
//! # Limits
//!
//! Clients that share an address share its standing and its bans. A client that requests enough
//! different pages gains good standing, too. Responses differ by status and length, or by path if the
//! length is unknown or short ([`MIN_PAGE`]). An opened WebSocket counts for two to four hours, whether or
//! not it stays open.

use std::{fmt, sync::Arc, time::Duration};

use gabion_core::{
    Attribution, BanOutcome, BuildClientKeyHasher, ClientIp, ClientKey, Now, Offense,
    OffenseRecorder, Outcome, RequestState,
};
use http::{Method, StatusCode};

use super::{
    BanConfig, BanTable,
    budget::{BanBudget, Claim},
};
use crate::{bounded_map::BoundedMap, lossy_set::LossySet, page::MIN_PAGE};

/// Decides which [`Offense`]s become bans in its [`BanTable`]. Shared by all threads and kept
/// across policy reloads as part of [`State`](crate::State).
///
/// # Capacity
///
/// Of more clients than the capacity, those seen least often are dropped: they are neither under
/// suspicion nor in good standing. An entry takes about 100 bytes.
///
/// # Cost
///
/// [`Self::record`] runs once per exchange: for a known client it allocates nothing and takes one
/// sharded lock; for most clients in good standing, and for responses that are like earlier ones, none.
///
/// # Examples
///
/// ```
/// use std::{
///     sync::Arc,
///     time::{Duration, UNIX_EPOCH},
/// };
///
/// use gabion_core::{Attribution, BanOutcome, Now, Offense, OffenseRecorder, RuleId};
/// use gabion_inspect::{BanArbiter, BanTable};
/// # let client = gabion_testkit::client_at("203.0.113.9");
///
/// let arbiter = BanArbiter::new(Arc::new(BanTable::new(100)), 1_000);
/// let now = Now::new(Duration::ZERO, UNIX_EPOCH);
/// let ban_for = Duration::from_mins(10);
/// let page = |path| {
///     let offense = Offense::certain(RuleId::builtin("probe"), ban_for);
///     offense.with_attribution(Attribution::Forgeable { path })
/// };
/// assert_eq!(arbiter.record_offense(&client, &page(1), now), BanOutcome::Suspected { paths: 1, needed: 3 });
/// assert_eq!(arbiter.record_offense(&client, &page(2), now), BanOutcome::Suspected { paths: 2, needed: 3 });
/// assert_eq!(arbiter.record_offense(&client, &page(3), now), BanOutcome::Banned { evicted: None });
/// assert!(arbiter.table().active(&client, now).is_some());
/// ```
pub struct BanArbiter {
    table: Arc<BanTable>,
    suspects: BoundedMap<ClientKey, Suspect, BuildClientKeyHasher>,
    standing: BoundedMap<ClientKey, Standing, BuildClientKeyHasher>,
    /// Clients whose responses in the current period make good standing: no further one needs a lock.
    settled: LossySet,
    /// Responses that `standing` has counted in the current period: another one changes nothing.
    pub(super) counted: LossySet,
    budget: BanBudget,
}

/// The different paths for which a client is under suspicion.
#[derive(Clone, Debug, Default)]
struct Suspect {
    paths: [Option<u64>; BanArbiter::PATHS],
    repeats: u32,
    last: Duration,
}

/// The different successful responses to a client: one bit for each, of the current and the preceding
/// period.
#[derive(Clone, Debug, Default)]
struct Standing {
    current: u64,
    previous: u64,
    period: u64,
}

// === impl BanArbiter ===

impl BanArbiter {
    /// The number of different paths that are evidence for a ban.
    pub const PATHS: usize = 3;

    /// The time after the last suspicious path in which earlier paths count.
    pub const MEMORY: Duration = Duration::from_mins(10);

    /// The number of repetitions of suspicious paths that count as another path.
    pub const REPEATS: u32 = 8;

    /// The period of good standing: a response counts in its period and the next.
    pub const PERIOD: Duration = Duration::from_hours(2);

    /// The number of recent successful responses that differ, for good standing.
    pub const GOOD: u32 = 10;

    /// The number of clients that are known to be in good standing.
    const SETTLED: usize = 4096;

    /// The number of responses that are known to be counted.
    const COUNTED: usize = 4096;

    /// Creates an arbiter that bans in `table` and remembers at most `clients` clients.
    pub fn new(table: Arc<BanTable>, clients: usize) -> Self {
        Self {
            table,
            suspects: BoundedMap::new(clients),
            standing: BoundedMap::new(clients),
            settled: LossySet::new(Self::SETTLED),
            counted: LossySet::new(Self::COUNTED),
            budget: BanBudget::default(),
        }
    }

    /// Returns the timed bans.
    pub const fn table(&self) -> &Arc<BanTable> {
        &self.table
    }

    /// Replaces the ban budget with that of `config`.
    pub fn set_budget(&self, config: &BanConfig) {
        self.budget.set(config);
    }

    /// Updates the standing of a client at the end of an exchange.
    pub fn record(&self, state: &RequestState, outcome: &Outcome<'_>) {
        if state.client().exempt_from_bans().is_some() || state.is_counted() {
            return;
        }
        let (client, now) = (state.client(), state.now());
        self.budget.count_client(client.key(), now);
        let matched_a_rule = outcome.denial.is_some() || !state.observed().is_empty();
        if matched_a_rule || state.is_suspicious() || shows_nothing(state, outcome) {
            return;
        }
        let responses: u64 = match outcome.status {
            // As many as good standing takes.
            StatusCode::SWITCHING_PROTOCOLS => (1 << Self::GOOD) - 1,
            status if status.is_success() => 1 << (shape(state, outcome) % 64),
            _ => return,
        };
        let settled = settled(client, period(now));
        let counted = settled ^ responses.wrapping_mul(MULTIPLIER);
        if self.settled.contains(settled) || self.counted.contains(counted) {
            return;
        }
        let is_good = self
            .standing
            .update(client.into(), |standing| standing.add(responses, now));
        self.counted.insert(counted);
        if is_good {
            self.settled.insert(settled);
        }
    }

    fn is_in_good_standing(&self, client: &ClientIp, now: Now) -> bool {
        // `standing` may have dropped a settled client, which it sees no more.
        let is_settled = |period| self.settled.contains(settled(client, period));
        let last = period(now);
        let standing = || self.standing.get(client.into());
        is_settled(last)
            || last.checked_sub(1).is_some_and(is_settled)
            || standing().is_some_and(|standing| standing.at(now).count_ones() >= Self::GOOD)
    }

    /// Returns `true` if the service lately answered the client with success.
    fn is_served(&self, client: ClientKey, now: Now) -> bool {
        let standing = self.standing.get(client);
        standing.is_some_and(|standing| standing.at(now) != 0)
    }

    /// Returns the number of different paths for which `client` is under suspicion, including
    /// `path`.
    fn suspect(&self, client: ClientKey, path: u64, now: Now) -> usize {
        self.suspects
            .update(client, |suspect| suspect.add(path, now))
    }

    fn ban_within_budget(&self, client: &ClientIp, offense: &Offense, now: Now) -> BanOutcome {
        if self.table.active(client, now).is_none() {
            let claim = Claim {
                client: client.network(),
                is_certain: offense.attribution == Attribution::Certain,
                is_served: self.is_served(client.into(), now),
            };
            match self.budget.take(claim, now) {
                Ok(()) => {}
                Err(Some(reason)) => return BanOutcome::Withheld(reason),
                Err(None) => return BanOutcome::OverBudget,
            }
        }
        self.table.record_offense(client, offense, now)
    }
}

impl OffenseRecorder for BanArbiter {
    fn record_offense(&self, client: &ClientIp, offense: &Offense, now: Now) -> BanOutcome {
        let key = ClientKey::from(client);
        match offense.attribution {
            Attribution::Certain => self.ban_within_budget(client, offense, now),
            Attribution::CrossSite => {
                BanOutcome::Withheld("a page of another origin caused the request")
            }
            Attribution::Forgeable { .. } if self.is_in_good_standing(client, now) => {
                BanOutcome::Withheld(
                    "the client is in good standing, and a page could have caused the request",
                )
            }
            Attribution::Forgeable { path } => match self.suspect(key, path, now) {
                Self::PATHS.. => self.ban_within_budget(client, offense, now),
                paths => BanOutcome::Suspected {
                    paths: u32::try_from(paths).unwrap_or(u32::MAX),
                    needed: u32::try_from(Self::PATHS).unwrap_or(u32::MAX),
                },
            },
        }
    }
}

impl fmt::Debug for BanArbiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BanArbiter")
            .field("table", &self.table)
            .field("suspects", &self.suspects.len())
            .field("standing", &self.standing.len())
            .finish_non_exhaustive()
    }
}

// === impl Suspect ===

impl Suspect {
    fn add(&mut self, path: u64, now: Now) -> usize {
        if now.mono().saturating_sub(self.last) > BanArbiter::MEMORY {
            *self = Self::default();
        }
        self.last = now.mono();
        if self.paths.contains(&Some(path)) {
            self.repeats = self.repeats.saturating_add(1);
        } else if let Some(free) = self.paths.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(path);
        }
        let paths = self.paths.iter().flatten().count();
        let repeated = usize::try_from(self.repeats / BanArbiter::REPEATS).unwrap_or(usize::MAX);
        paths.saturating_add(repeated)
    }
}

// === impl Standing ===

impl Standing {
    /// Adds the bits of responses. Returns `true` if those of the current period make good standing.
    fn add(&mut self, responses: u64, now: Now) -> bool {
        let (current, previous) = self.periods(now);
        *self = Self {
            current: current | responses,
            previous,
            period: period(now),
        };
        self.current.count_ones() >= BanArbiter::GOOD
    }

    /// Returns the bits of the current and the preceding period.
    fn at(&self, now: Now) -> u64 {
        let (current, previous) = self.periods(now);
        current | previous
    }

    fn periods(&self, now: Now) -> (u64, u64) {
        match period(now).saturating_sub(self.period) {
            0 => (self.current, self.previous),
            1 => (0, self.current),
            _ => (0, 0),
        }
    }
}

/// Mixes the bits of a number (Fibonacci hashing).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of a client in a period.
fn settled(client: &ClientIp, period: u64) -> u64 {
    client.key().rotate_left(32) ^ period
}

fn period(now: Now) -> u64 {
    now.mono().as_secs() / BanArbiter::PERIOD.as_secs()
}

/// Returns `true` if the response has neither content nor its length, as some services answer HEAD for any
/// path.
fn shows_nothing(state: &RequestState, outcome: &Outcome<'_>) -> bool {
    *state.method() == Method::HEAD && outcome.length.is_none_or(|length| length < MIN_PAGE)
}

/// A hash of the status and the length of a response, or of the path if the response is no page.
fn shape(state: &RequestState, outcome: &Outcome<'_>) -> u64 {
    let length = outcome.length.filter(|length| *length >= MIN_PAGE);
    let size = length.unwrap_or_else(|| state.path_hash());
    let mixed = (size ^ u64::from(outcome.status.as_u16()) << 48).wrapping_mul(MULTIPLIER);
    mixed >> 32
}
