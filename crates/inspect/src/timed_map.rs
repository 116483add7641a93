//! A bounded map of client networks to values that end.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gabion_core::{BuildClientKeyHasher, ClientIp, ClientKey, Now};
use ipnet::IpNet;

use crate::TableUsage;

#[expect(clippy::disallowed_types, reason = "`TimedMap` bounds its size")]
type Map<V> = papaya::HashMap<ClientKey, Timed<V>, BuildClientKeyHasher>;

/// A bounded map of networks to values with an end. A network is that of a client
/// ([`ClientIp::network`]) or the [`surrounding`] one of a client.
///
/// Lookups take no lock. Entries are written one at a time, by the holder of a [`Writer`].
#[derive(Debug)]
pub(crate) struct TimedMap<V> {
    entries: Map<V>,
    // Invariant: holds the end and the key of every entry of `entries`, which is written only under
    // this lock.
    ends: Mutex<Ends>,
    /// The second, by the monotonic clock, until which some entry may be in force.
    last_end: AtomicU64,
    /// The number of entries of surrounding networks: without one, a lookup is a single one.
    surrounding: AtomicUsize,
    capacity: usize,
    /// The number of entries in force that a full map removed.
    evictions: AtomicU64,
}

/// The exclusive right to write a [`TimedMap`].
pub(crate) struct Writer<'a, V> {
    map: &'a TimedMap<V>,
    ends: MutexGuard<'a, Ends>,
}

/// The result of [`Writer::insert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Insertion {
    /// The network had no entry in force. A full map removed that of the given network, the one nearest its
    /// end.
    New { evicted: Option<IpNet> },
    /// The network had an entry in force that ended earlier.
    Extended,
    /// The network has an entry in force that ends later, which stays.
    Kept,
}

type Ends = BTreeSet<(Duration, IpNet)>;

#[derive(Debug)]
struct Timed<V> {
    value: V,
    until: Duration,
}

// === impl TimedMap ===

impl<V: Clone + Send + Sync> TimedMap<V> {
    /// The number of entries that [`Self::remove_expired`] drops per lock acquisition.
    const BATCH: usize = 1024;

    /// Creates a map of at most `capacity` entries, at least 1.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: Map::default(),
            ends: Mutex::default(),
            last_end: AtomicU64::new(0),
            surrounding: AtomicUsize::new(0),
            capacity: capacity.max(1),
            evictions: AtomicU64::new(0),
        }
    }

    /// Returns the value in force for `client`, by its own network or the surrounding one, and the remaining
    /// time.
    #[inline]
    pub(crate) fn find(&self, client: &ClientIp, now: Now) -> Option<(V, Duration)> {
        if now.mono().as_secs() >= self.last_end.load(Ordering::Relaxed) {
            return None;
        }
        self.at(ClientKey::from(client), now).or_else(|| {
            if self.surrounding.load(Ordering::Relaxed) == 0 {
                return None;
            }
            self.at(surrounding(client.network()).into(), now)
        })
    }

    fn at(&self, key: ClientKey, now: Now) -> Option<(V, Duration)> {
        let entries = self.entries.pin();
        let entry = entries.get(&key)?;
        Some((entry.value.clone(), entry.left(now)?))
    }

    /// Returns all entries in force with their remaining time, shortest first.
    pub(crate) fn list(&self, now: Now) -> Vec<(IpNet, V, Duration)> {
        let entries = self.entries.pin();
        let active = entries.iter().filter_map(|(key, entry)| {
            Some((key.network(), entry.value.clone(), entry.left(now)?))
        });
        let mut list: Vec<_> = active.collect();
        list.sort_unstable_by_key(|(network, _, left)| (*left, *network));
        list
    }

    /// Returns the number of entries, including expired ones that were not dropped yet.
    pub(crate) fn len(&self) -> usize {
        self.ends().len()
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the use of the map as a table of this name.
    pub(crate) fn usage(&self, name: &'static str) -> TableUsage {
        let evictions = self.evictions.load(Ordering::Relaxed);
        TableUsage::new(name, self.len(), self.capacity, evictions)
    }

    /// Waits for the right to write.
    pub(crate) fn writer(&self) -> Writer<'_, V> {
        Writer {
            map: self,
            ends: self.ends(),
        }
    }

    /// Drops the entries that ended by `now` and returns their number. Other threads may write between
    /// batches.
    pub(crate) fn remove_expired(&self, now: Now) -> usize {
        let mut dropped = 0;
        loop {
            let mut writer = self.writer();
            for _ in 0..Self::BATCH {
                match writer.ends.first() {
                    Some(&(until, network)) if until <= now.mono() => {
                        writer.remove(network);
                        dropped += 1;
                    }
                    _ => return dropped,
                }
            }
        }
    }

    /// Locks `ends`. No code can panic between a write to the map and the write to the set, so both
    /// are consistent even if a writing thread panicked.
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Writer ===

impl<V: Clone + Send + Sync> Writer<'_, V> {
    /// Adds `value` for `network` until `until`, unless it has an entry that ends later.
    pub(crate) fn insert(
        &mut self,
        network: IpNet,
        value: V,
        until: Duration,
        now: Now,
    ) -> Insertion {
        let entries = self.map.entries.pin();
        let key = ClientKey::from(network);
        let mut insertion = Insertion::New { evicted: None };
        if let Some(end) = entries.get(&key).map(|entry| entry.until) {
            if end >= until {
                return Insertion::Kept;
            }
            if end > now.mono() {
                insertion = Insertion::Extended;
            }
            self.ends.remove(&(end, network));
        } else {
            if self.ends.len() >= self.map.capacity
                && let Some((end, first)) = self.ends.first().copied()
            {
                self.remove(first);
                let evicted = (end > now.mono()).then_some(first);
                if evicted.is_some() {
                    self.map.evictions.fetch_add(1, Ordering::Relaxed);
                }
                insertion = Insertion::New { evicted };
            }
            if is_surrounding(network) {
                self.map.surrounding.fetch_add(1, Ordering::Relaxed);
            }
        }
        let last_end = until.as_secs().saturating_add(1);
        self.map.last_end.fetch_max(last_end, Ordering::Relaxed);
        self.ends.insert((until, network));
        entries.insert(key, Timed { value, until });
        insertion
    }

    /// Removes the entry of `network` and returns its value and its end.
    pub(crate) fn remove(&mut self, network: IpNet) -> Option<(V, Duration)> {
        let entries = self.map.entries.pin();
        let Timed { value, until } = entries.remove(&ClientKey::from(network))?;
        if is_surrounding(network) {
            self.map.surrounding.fetch_sub(1, Ordering::Relaxed);
        }
        self.ends.remove(&(*until, network));
        Some((value.clone(), *until))
    }

    /// Removes all entries that `covers` selects by network, and returns the networks.
    pub(crate) fn remove_where(&mut self, covers: impl Fn(&IpNet) -> bool) -> Vec<IpNet> {
        let all = self.ends.iter().map(|(_, network)| *network);
        let covered: Vec<_> = all.filter(covers).collect();
        for network in &covered {
            self.remove(*network);
        }
        covered
    }
}

// === impl Timed ===

impl<V> Timed<V> {
    fn left(&self, now: Now) -> Option<Duration> {
        let left = self.until.checked_sub(now.mono())?;
        (!left.is_zero()).then_some(left)
    }
}

/// Returns the /24 or /48 around a client network, or the network itself if it is wider.
pub(crate) fn surrounding(client: IpNet) -> IpNet {
    let prefix = surrounding_prefix(client).min(client.prefix_len());
    let network = IpNet::new(client.addr(), prefix);
    network.map_or(client, |network| network.trunc())
}

fn is_surrounding(network: IpNet) -> bool {
    network.prefix_len() == surrounding_prefix(network)
}

const fn surrounding_prefix(network: IpNet) -> u8 {
    match network {
        IpNet::V4(_) => 24,
        IpNet::V6(_) => 48,
    }
}
