//! The good standing of clients.

use std::time::Duration;

use gabion_core::{BuildClientKeyHasher, ClientIp, ClientKey, Now, Outcome, RequestState};
use http::{Method, StatusCode};

use crate::{TableUsage, bounded_map::BoundedMap, lossy_set::LossySet, page::MIN_PAGE};

/// The clients that the service lately answered with success. With enough responses that differ, a client is in
/// good standing.
///
/// # Cost
///
/// For most clients in good standing, and for responses that are like earlier ones, a response takes no lock.
#[derive(Debug)]
pub(super) struct Standings {
    clients: BoundedMap<ClientKey, Standing, BuildClientKeyHasher>,
    /// Clients whose responses in the current period make good standing: no further one needs a lock.
    settled: LossySet,
    /// Responses that `clients` has counted in the current period: another one changes nothing.
    pub(super) counted: LossySet,
}

/// The different successful responses to a client: one bit for each, of the current and the preceding
/// period.
#[derive(Clone, Debug, Default)]
struct Standing {
    current: u64,
    previous: u64,
    period: u64,
}

/// The period of good standing: a response counts in its period and the next.
pub(super) const PERIOD: Duration = Duration::from_hours(2);

/// The number of recent successful responses that differ, for good standing.
pub(super) const GOOD: u32 = 10;

/// The number of clients that are known to be in good standing.
const SETTLED: usize = 4096;

/// The number of responses that are known to be counted.
const COUNTED: usize = 4096;

// === impl Standings ===

impl Standings {
    /// Remembers at most `clients` clients.
    pub(super) fn new(clients: usize) -> Self {
        Self {
            clients: BoundedMap::new(clients),
            settled: LossySet::new(SETTLED),
            counted: LossySet::new(COUNTED),
        }
    }

    pub(super) fn usage(&self) -> TableUsage {
        self.clients.usage("standings")
    }

    /// Counts a response to a request without findings. Returns `true` if it gave the client good standing in
    /// this period.
    pub(super) fn record(&self, state: &RequestState, outcome: &Outcome<'_>) -> bool {
        let (client, now) = (state.client(), state.now());
        if shows_nothing(state, outcome) {
            return false;
        }
        let responses: u64 = match outcome.status {
            // As many as good standing takes.
            StatusCode::SWITCHING_PROTOCOLS => (1 << GOOD) - 1,
            status if status.is_success() => 1 << (shape(state, outcome) % 64),
            _ => return false,
        };
        let settled = settled(client, period(now));
        let counted = settled ^ responses.wrapping_mul(MULTIPLIER);
        if self.settled.contains(settled) || self.counted.contains(counted) {
            return false;
        }
        let is_good = self
            .clients
            .update(client.into(), |standing| standing.add(responses, now));
        self.counted.insert(counted);
        if is_good {
            self.settled.insert(settled);
        }
        is_good
    }

    /// Returns `true` if the client is in good standing.
    pub(super) fn is_good(&self, client: &ClientIp, now: Now) -> bool {
        // `clients` may have dropped a settled client, which it sees no more.
        let is_settled = |period| self.settled.contains(settled(client, period));
        let last = period(now);
        let standing = || self.clients.get(client.into());
        is_settled(last)
            || last.checked_sub(1).is_some_and(is_settled)
            || standing().is_some_and(|standing| standing.at(now).count_ones() >= GOOD)
    }

    /// Returns `true` if the service lately answered the client with success.
    pub(super) fn is_served(&self, client: ClientKey, now: Now) -> bool {
        let standing = self.clients.get(client);
        standing.is_some_and(|standing| standing.at(now) != 0)
    }

    /// Forgets the responses to a client. Its good standing ends with the period at the latest.
    pub(super) fn forget(&self, client: ClientKey) {
        self.clients.remove(client);
    }

    pub(super) fn len(&self) -> usize {
        self.clients.len()
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
        self.current.count_ones() >= GOOD
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
pub(super) const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of a client in a period.
fn settled(client: &ClientIp, period: u64) -> u64 {
    client.key().rotate_left(32) ^ period
}

pub(super) fn period(now: Now) -> u64 {
    now.mono().as_secs() / PERIOD.as_secs()
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
