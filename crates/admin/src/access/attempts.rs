//! Failed requests by address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The failed requests of the last minute, by address; those of IPv6 by the /64.
///
/// # Capacity
///
/// [`Self::CAPACITY`] addresses. Beyond it the address whose minute ends first is dropped.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    /// The end of the minute, by the monotonic clock.
    until: Duration,
}

// === impl Attempts ===

impl Attempts {
    /// The most failures of an address in [`Self::WINDOW`].
    pub(super) const MOST: u32 = 10;
    pub(super) const WINDOW: Duration = Duration::from_mins(1);
    const CAPACITY: usize = 1024;

    pub(super) fn are_exceeded(&self, addr: IpAddr, now: Duration) -> bool {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = failures.get(&key(addr));
        found.is_some_and(|failures| failures.until > now && failures.count >= Self::MOST)
    }

    pub(super) fn record(&self, addr: IpAddr, now: Duration) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(addr);
        if failures.len() >= Self::CAPACITY && !failures.contains_key(&key) {
            failures.retain(|_, failures| failures.until > now);
            let first = failures.iter().min_by_key(|(_, failures)| failures.until);
            let first = first.map(|(key, _)| *key);
            if let Some(first) = first.filter(|_| failures.len() >= Self::CAPACITY) {
                failures.remove(&first);
            }
        }
        let new = Failures {
            count: 0,
            until: now.saturating_add(Self::WINDOW),
        };
        let found = failures.entry(key).or_insert(new);
        if found.until <= now {
            *found = new;
        }
        found.count = found.count.saturating_add(1);
    }
}

fn key(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(addr) => {
            let network = addr.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        addr @ IpAddr::V4(_) => addr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(attempts: &Attempts, addr: &str, count: u32, now: Duration) {
        (0..count).for_each(|_| attempts.record(addr.parse().unwrap(), now));
    }

    #[test]
    fn tenth_failure_within_a_minute_exceeds() {
        let attempts = Attempts::default();
        let (start, later) = (Duration::ZERO, Attempts::WINDOW);
        let exceeds = |addr: &str, now| attempts.are_exceeded(addr.parse().unwrap(), now);
        fail(&attempts, "2001:db8::1", 9, start);
        assert!(!exceeds("2001:db8::1", start));
        fail(&attempts, "2001:db8::2", 1, start);
        assert!(exceeds("2001:db8::3", start), "the same /64");
        assert!(!exceeds("2001:db8:0:1::1", start) && !exceeds("203.0.113.9", start));
        assert!(!exceeds("2001:db8::1", later), "a minute later");
        fail(&attempts, "2001:db8::1", 1, later);
        assert!(!exceeds("2001:db8::1", later), "it begins anew");
    }

    #[test]
    fn number_of_addresses_is_bounded() {
        let attempts = Attempts::default();
        let count = u32::try_from(Attempts::CAPACITY).unwrap() + 100;
        for host in 0..count {
            let addr = IpAddr::from(std::net::Ipv4Addr::from_bits(0xcb00_0000 + host));
            attempts.record(addr, Duration::from_millis(host.into()));
        }
        assert_eq!(attempts.0.lock().unwrap().len(), Attempts::CAPACITY);
    }
}
