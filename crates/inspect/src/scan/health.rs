//! The health of the service, as clients other than a given one see it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use gabion_core::Now;

/// The clients that the service answered last with success, and those that it answered last with an
/// error of its own.
#[derive(Debug, Default)]
pub(super) struct Health {
    served: Recent,
    failed: Recent,
}

/// The two clients of the last answers, each with the second of the last one.
///
/// Of concurrent records, one may be lost.
#[derive(Debug, Default)]
struct Recent([AtomicU64; 2]);

impl Health {
    /// The time in which answers to other clients count.
    const PERIOD: Duration = Duration::from_mins(1);

    /// Records a success for the client with this key ([`gabion_core::ClientIp::key`]).
    pub(super) fn record_success(&self, client: u64, now: Now) {
        self.served.record(client, now);
    }

    /// Records an error for the client with this key.
    pub(super) fn record_error(&self, client: u64, now: Now) {
        self.failed.record(client, now);
    }

    /// Returns `true` if the service answers other clients with success, and none with an error.
    pub(super) fn serves_others(&self, client: u64, now: Now) -> bool {
        self.served.has_other(client, now) && !self.failed.has_other(client, now)
    }
}

impl Recent {
    fn record(&self, client: u64, now: Now) {
        let entry = entry(client, now);
        let [first, second] = &self.0;
        let (in_first, in_second) = (
            first.load(Ordering::Relaxed),
            second.load(Ordering::Relaxed),
        );
        if in_first == entry || in_second == entry {
            return;
        }
        let is_same = |other: u64| other >> 32 == entry >> 32;
        let replaces_second =
            is_same(in_second) || !is_same(in_first) && second_of(in_second) < second_of(in_first);
        let place = if replaces_second { second } else { first };
        place.store(entry, Ordering::Relaxed);
    }

    fn has_other(&self, client: u64, now: Now) -> bool {
        let own = entry(client, now);
        let since = second_of(own).saturating_sub(Health::PERIOD.as_secs());
        let is_other = |other: u64| other >> 32 != own >> 32 && second_of(other) > since;
        self.0
            .iter()
            .any(|slot| is_other(slot.load(Ordering::Relaxed)))
    }
}

/// Half of the client's key, and the second counted from the period before the first, so that an empty
/// entry is old.
fn entry(client: u64, now: Now) -> u64 {
    let second = now.mono().as_secs() + Health::PERIOD.as_secs() + 1;
    client << 32 | second & u64::from(u32::MAX)
}

const fn second_of(entry: u64) -> u64 {
    entry & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn service_serves_others_unless_one_of_them_sees_errors() {
        let health = Health::default();
        let at = |seconds| Now::new(Duration::from_secs(seconds), UNIX_EPOCH);
        assert!(!health.serves_others(1, at(0)), "none so far");
        health.record_success(1, at(0));
        assert!(!health.serves_others(1, at(0)), "only itself");
        health.record_success(2, at(0));
        health.record_success(1, at(1));
        assert!(health.serves_others(1, at(59)));
        assert!(!health.serves_others(1, at(61)), "too long ago");
        health.record_success(2, at(62));
        health.record_error(1, at(62));
        assert!(health.serves_others(1, at(62)), "its own errors");
        health.record_error(3, at(62));
        assert!(!health.serves_others(1, at(62)), "an outage");
    }
}
