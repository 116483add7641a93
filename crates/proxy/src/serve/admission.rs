//! Limits of open connections.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use gabion_core::{ClientIp, ConnectionLimit};
use ipnet::IpNet;

/// The numbers of open connections: of all clients, and of each.
#[derive(Debug)]
pub(super) struct OpenConnections {
    total: AtomicUsize,
    /// Spread by the client's key.
    clients: [Mutex<BTreeMap<IpNet, usize>>; Self::SHARDS],
}

/// The largest numbers of open connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionLimits {
    pub(super) total: usize,
    pub(super) per_client: usize,
}

/// The place of an open connection in the counts, until it is dropped with the socket.
#[derive(Debug)]
pub(super) struct Admission {
    open: Arc<OpenConnections>,
    /// The client, if its connections are counted.
    client: Option<ClientIp>,
    /// `true` if the connection may be ended to make room: not that of a trusted proxy.
    pub(super) makes_room: bool,
}

// === impl OpenConnections ===

impl OpenConnections {
    const SHARDS: usize = 16;

    pub(super) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// Admits a connection of `client`, or returns the limit that is reached. One that is exempt from bans, such
    /// as a trusted proxy, carries the requests of many clients: it is limited by the total only, of which it
    /// may take the last [`ConnectionLimits::reserve`], too.
    pub(super) fn admit(
        self: &Arc<Self>,
        client: ClientIp,
        limits: ConnectionLimits,
    ) -> Result<Admission, ConnectionLimit> {
        let is_exempt = client.exempt_from_bans().is_some();
        let reserved = if is_exempt { 0 } else { limits.reserve() };
        let most = limits.total.saturating_sub(reserved);
        let order = Ordering::Relaxed;
        let next = |open| (open < most).then_some(open + 1);
        let admitted = self.total.fetch_update(order, order, next);
        admitted.map_err(|_| ConnectionLimit::Total)?;
        let mut admission = Admission {
            open: Arc::clone(self),
            client: None,
            makes_room: !client.via_trusted(),
        };
        if !is_exempt {
            let mut clients = self.clients_beside(&client);
            let open = clients.entry(client.network()).or_default();
            if *open >= limits.per_client {
                // Not while the lock is held, which the admission takes when it is dropped.
                drop(clients);
                return Err(ConnectionLimit::Client);
            }
            *open += 1;
            admission.client = Some(client);
        }
        Ok(admission)
    }

    /// A panic under this lock could only come from an allocation, which leaves the map consistent.
    fn clients_beside(&self, client: &ClientIp) -> MutexGuard<'_, BTreeMap<IpNet, usize>> {
        let shard = usize::try_from(client.key() % Self::SHARDS as u64).unwrap_or_default();
        let clients = self.clients[shard].lock();
        clients.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for OpenConnections {
    fn default() -> Self {
        Self {
            total: AtomicUsize::new(0),
            clients: Default::default(),
        }
    }
}

// === impl ConnectionLimits ===

impl ConnectionLimits {
    /// The connections of the total that only clients exempt from bans can open: a sixteenth.
    pub(super) const fn reserve(self) -> usize {
        self.total.div_ceil(16)
    }
}

// === impl Admission ===

impl Drop for Admission {
    fn drop(&mut self) {
        self.open.total.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = self.client else { return };
        let mut clients = self.open.clients_beside(&client);
        if let Some(open) = clients.get_mut(&client.network()) {
            *open -= 1;
            if *open == 0 {
                clients.remove(&client.network());
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
        let open = Arc::<OpenConnections>::default();
        let limits = ConnectionLimits {
            total: 32,
            per_client: 20,
        };
        let admit = |addr: &str| open.admit(client(addr), limits);
        let first: Vec<_> = (0..20).map(|_| admit("203.0.113.9").unwrap()).collect();
        assert_eq!(admit("203.0.113.9").unwrap_err(), ConnectionLimit::Client);
        // Addresses of one /64 are one client.
        let other = (0..10).map(|host| admit(&format!("2001:db8::{host:x}")).unwrap());
        let other: Vec<_> = other.collect();
        assert_eq!(open.total(), 30);
        assert_eq!(admit("198.51.100.7").unwrap_err(), ConnectionLimit::Total);
        let proxy = [admit("192.0.2.1").unwrap(), admit("10.0.0.1").unwrap()];
        assert_eq!(admit("192.0.2.1").unwrap_err(), ConnectionLimit::Total);
        drop((first, proxy));
        assert_eq!(open.total(), 10);
        for _ in 0..2 {
            let again: Vec<_> = (0..20).map(|_| admit("203.0.113.9").unwrap()).collect();
            assert_eq!(again.len(), 20, "those of closed connections count no more");
        }
        drop(other);
        assert_eq!(open.total(), 0);
        assert!(
            open.clients
                .iter()
                .all(|clients| clients.lock().unwrap().is_empty())
        );
    }
}
