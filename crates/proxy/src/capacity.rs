//! Limits of what is open at once: connections, and requests in progress.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use gabion_core::ClientIp;
use ipnet::IpNet;

/// The largest numbers of open connections, or of requests in progress: of all clients together, and of one
/// client, which is an IPv4 address or an IPv6 /64.
///
/// The last sixteenth of the total is for clients that are exempt from bans, such as trusted proxies, allowed
/// clients and private addresses. What these have counts in the total only.
///
/// ```
/// use gabion_proxy::Capacity;
///
/// // Each connection has a descriptor for itself and one toward the upstream; 64 are for other uses.
/// let capacity = Capacity::for_descriptors(1_024);
/// assert_eq!((capacity.total(), capacity.per_client()), (480, 120));
/// assert_eq!(capacity.with_per_client(8).per_client(), 8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    total: usize,
    per_client: usize,
}

/// The limit that keeps a client from a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// That of all clients together.
    Total,
    /// That of the client.
    Client,
}

/// The places that are taken: of all clients, and of each.
#[derive(Debug, Default)]
pub(crate) struct Places {
    total: AtomicUsize,
    /// Spread by the client's key.
    clients: [Mutex<HashMap<IpNet, usize>>; Self::SHARDS],
}

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    /// The client and its shard, if its places are counted.
    client: Option<(usize, IpNet)>,
}

// === impl Capacity ===

impl Capacity {
    /// The default for all clients: 1,048,576.
    pub const TOTAL: usize = 1 << 20;
    /// The default for one client: 4,096.
    pub const PER_CLIENT: usize = 1 << 12;

    /// Creates the capacity of a process that can open so many `descriptors`
    /// ([`raise_descriptor_limit`](crate::raise_descriptor_limit)): half of them, without 64 for other uses. A
    /// client has at most a quarter of it.
    pub fn for_descriptors(descriptors: u64) -> Self {
        const OTHERS: u64 = 64;
        let total = descriptors.saturating_sub(OTHERS) / 2;
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        let total = total.clamp(1, Self::TOTAL);
        Self {
            total,
            per_client: (total / 4).clamp(1, Self::PER_CLIENT),
        }
    }

    /// Sets the capacity for all clients together.
    pub const fn with_total(self, total: usize) -> Self {
        Self { total, ..self }
    }

    /// Sets the capacity for one client.
    pub const fn with_per_client(self, per_client: usize) -> Self {
        Self { per_client, ..self }
    }

    /// Returns the capacity for all clients together.
    pub const fn total(self) -> usize {
        self.total
    }

    /// Returns the capacity for one client.
    pub const fn per_client(self) -> usize {
        self.per_client
    }

    /// The part of the total that only clients exempt from bans can take: a sixteenth.
    pub(crate) const fn reserve(self) -> usize {
        self.total.div_ceil(16)
    }
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            total: Self::TOTAL,
            per_client: Self::PER_CLIENT,
        }
    }
}

// === impl Places ===

impl Places {
    const SHARDS: usize = 16;

    pub(crate) fn taken(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// Takes a place for `client`, or returns the limit that is reached. A client that is exempt from bans, such
    /// as a trusted proxy, may stand for many others: it is limited by the total only.
    pub(crate) fn take(
        self: &Arc<Self>,
        client: ClientIp,
        capacity: Capacity,
    ) -> Result<Place, Full> {
        let is_exempt = client.exempt_from_bans().is_some();
        let reserved = if is_exempt { 0 } else { capacity.reserve() };
        let most = capacity.total.saturating_sub(reserved);
        let order = Ordering::Relaxed;
        let next = |taken| (taken < most).then_some(taken + 1);
        let has_room = self.total.fetch_update(order, order, next);
        has_room.map_err(|_| Full::Total)?;
        let mut place = Place {
            places: Arc::clone(self),
            client: None,
        };
        if !is_exempt {
            let shard = usize::try_from(client.key() % Self::SHARDS as u64).unwrap_or_default();
            let mut clients = self.clients(shard);
            let taken = clients.entry(client.network()).or_default();
            if *taken >= capacity.per_client {
                // Not while the lock is held, which the place takes when it is dropped.
                drop(clients);
                return Err(Full::Client);
            }
            *taken += 1;
            place.client = Some((shard, client.network()));
        }
        Ok(place)
    }

    /// A panic under this lock could only come from an allocation, which leaves the map consistent.
    fn clients(&self, shard: usize) -> MutexGuard<'_, HashMap<IpNet, usize>> {
        let clients = self.clients[shard].lock();
        clients.unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        self.places.total.fetch_sub(1, Ordering::Relaxed);
        let Some((shard, client)) = self.client else {
            return;
        };
        let mut clients = self.places.clients(shard);
        if let Some(taken) = clients.get_mut(&client) {
            *taken -= 1;
            if *taken == 0 {
                clients.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gabion_core::{ClientRules, PeerAddr};
    use http::HeaderMap;

    use super::*;

    fn client(addr: &str) -> ClientIp {
        let rules = ClientRules::default().with_trusted(["192.0.2.0/24".parse().unwrap()]);
        let peer = PeerAddr::new((addr.parse::<std::net::IpAddr>().unwrap(), 4711).into());
        rules.unwrap().resolve(peer, &HeaderMap::new())
    }

    #[test]
    fn client_has_its_share_and_proxies_have_the_reserve() {
        let places = Arc::<Places>::default();
        let capacity = Capacity {
            total: 32,
            per_client: 20,
        };
        let take = |addr: &str| places.take(client(addr), capacity);
        let first: Vec<_> = (0..20).map(|_| take("203.0.113.9").unwrap()).collect();
        assert_eq!(take("203.0.113.9").unwrap_err(), Full::Client);
        // Addresses of one /64 are one client.
        let other = (0..10).map(|host| take(&format!("2001:db8::{host:x}")).unwrap());
        let other: Vec<_> = other.collect();
        assert_eq!(places.taken(), 30);
        assert_eq!(take("198.51.100.7").unwrap_err(), Full::Total);
        let proxy = [take("192.0.2.1").unwrap(), take("10.0.0.1").unwrap()];
        assert_eq!(take("192.0.2.1").unwrap_err(), Full::Total);
        drop((first, proxy));
        assert_eq!(places.taken(), 10);
        for _ in 0..2 {
            let again: Vec<_> = (0..20).map(|_| take("203.0.113.9").unwrap()).collect();
            assert_eq!(again.len(), 20, "those of dropped places count no more");
        }
        drop(other);
        assert_eq!(places.taken(), 0);
        assert!(
            places
                .clients
                .iter()
                .all(|clients| clients.lock().unwrap().is_empty())
        );
    }
}
