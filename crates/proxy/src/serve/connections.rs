//! The connections that are served, and those among them that the policy refuses by now.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gabion_core::{ChangeListener, Now, PeerAddr, PolicySource};
use http::HeaderMap;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Ends connections whose peer is refused by the policy in force: when a client is banned, and when
/// another policy comes into force ([`ChangeListener`]).
///
/// An idle connection ends at once. One with a request at work ends after its answer, or is cut after
/// [`Self::LINGER`]. Who speaks for others, a trusted proxy, is never ended. Sockets that left HTTP/1
/// are the business of the layers that guard them.
///
/// # Cost
///
/// A lock of one of [`Self::SHARDS`] when a connection comes and when it goes, and a moment's memory
/// for each that is open, at most so many ([`Self::with_capacity`]).
pub struct Connections {
    source: Box<dyn PolicySource>,
    now: Box<dyn Fn() -> Now + Send + Sync>,
    shards: Vec<Mutex<Shard>>,
    next_id: AtomicU64,
    open: AtomicUsize,
    capacity: usize,
}

/// By peer, and by which it was of all; what ends them.
type Shard = BTreeMap<(IpAddr, u64), CancellationToken>;

/// A connection's place among the others, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    connections: Arc<Connections>,
    peer: IpAddr,
    id: u64,
    shutdown: CancellationToken,
}

// === impl Connections ===

impl Connections {
    /// How long a connection may still be at work once its peer is refused.
    pub const LINGER: Duration = Duration::from_secs(3);

    /// How many locks share the load.
    pub const SHARDS: usize = 16;

    /// How many connections are known at most unless another capacity is asked for.
    pub const CAPACITY: usize = 1 << 20;

    /// Judges by what `source` has in force, at the time that `now` tells: that of whoever bans.
    pub fn new(
        source: impl PolicySource + 'static,
        now: impl Fn() -> Now + Send + Sync + 'static,
    ) -> Self {
        Self {
            source: Box::new(source),
            now: Box::new(now),
            shards: (0..Self::SHARDS).map(|_| Mutex::default()).collect(),
            next_id: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            capacity: Self::CAPACITY,
        }
    }

    /// Sets how many connections are known at most. Those beyond are served, and end by themselves.
    pub fn with_capacity(self, capacity: usize) -> Self {
        Self { capacity, ..self }
    }

    /// How many are open and known.
    pub fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A place for a connection, which is over with `stopping` too; none where there are too many.
    pub(super) fn register(
        self: &Arc<Self>,
        peer: PeerAddr,
        stopping: &CancellationToken,
    ) -> Option<ConnectionSlot> {
        let order = Ordering::Relaxed;
        let next = |open| (open < self.capacity).then_some(open + 1);
        self.open.fetch_update(order, order, next).ok()?;
        let slot = ConnectionSlot {
            connections: Arc::clone(self),
            peer: peer.addr(),
            id: self.next_id.fetch_add(1, order),
            shutdown: stopping.child_token(),
        };
        let shutdown = slot.shutdown.clone();
        self.shard(slot.id).insert((slot.peer, slot.id), shutdown);
        Some(slot)
    }

    /// Ends those of these peers that are refused.
    fn recheck(&self, from: IpAddr, to: IpAddr) {
        let (policy, now) = (self.source.current(), (self.now)());
        let is_refused = |peer: IpAddr| {
            let peer = PeerAddr::new((peer, 0).into());
            let client = policy.client.resolve(peer, &HeaderMap::new());
            !client.via_trusted() && policy.recheck(client, "/", now).is_some()
        };
        for shard in &self.shards {
            let matching: Vec<_> = {
                let shard = locked(shard);
                let matching = shard.range((from, 0)..=(to, u64::MAX));
                matching
                    .map(|(key, shutdown)| (key.0, shutdown.clone()))
                    .collect()
            };
            for (peer, shutdown) in matching {
                // Whose judgment panics stays: its requests are judged again, by who tells of it.
                let rechecked = catch_unwind(AssertUnwindSafe(|| is_refused(peer)));
                if rechecked.unwrap_or(false) {
                    debug!(target: "gabion::proxy", %peer, "connection ends: its peer is refused");
                    shutdown.cancel();
                }
            }
        }
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, Shard> {
        let id = usize::try_from(id % Self::SHARDS as u64).unwrap_or_default();
        locked(&self.shards[id])
    }
}

impl ChangeListener for Connections {
    fn on_ban(&self, client: IpNet) {
        self.recheck(client.network(), client.broadcast());
    }

    fn on_policy_replaced(&self) {
        // Of all, any IPv4 address is the less.
        self.recheck(
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv6Addr::from(u128::MAX).into(),
        );
    }
}

/// Nothing panics while a shard is locked but an allocation, and then its map is whole.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

// === impl ConnectionSlot ===

impl ConnectionSlot {
    /// What ends the connection.
    pub(super) const fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections
            .shard(self.id)
            .remove(&(self.peer, self.id));
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
    }
}
