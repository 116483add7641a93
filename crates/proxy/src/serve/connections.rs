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
    came: AtomicU64,
    open: AtomicUsize,
    capacity: usize,
}

/// By peer, and by which it was of all; what ends them.
type Shard = BTreeMap<(IpAddr, u64), CancellationToken>;

/// A connection's place among the others, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    peer: IpAddr,
    nth: u64,
    over: CancellationToken,
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
            came: AtomicU64::new(0),
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
    pub(super) fn enter(
        self: &Arc<Self>,
        peer: PeerAddr,
        stopping: &CancellationToken,
    ) -> Option<Place> {
        let order = Ordering::Relaxed;
        let room = |open| (open < self.capacity).then_some(open + 1);
        self.open.fetch_update(order, order, room).ok()?;
        let place = Place {
            connections: Arc::clone(self),
            peer: peer.addr(),
            nth: self.came.fetch_add(1, order),
            over: stopping.child_token(),
        };
        let over = place.over.clone();
        self.shard(place.nth).insert((place.peer, place.nth), over);
        Some(place)
    }

    /// Ends those of these peers that are refused.
    fn judge(&self, from: IpAddr, to: IpAddr) {
        let (policy, now) = (self.source.current(), (self.now)());
        let is_refused = |peer: IpAddr| {
            let peer = PeerAddr::new((peer, 0).into());
            let client = policy.client.resolve(peer, &HeaderMap::new());
            !client.via_trusted() && policy.recheck(client, "/", now).is_some()
        };
        for shard in &self.shards {
            let theirs: Vec<_> = {
                let shard = locked(shard);
                let theirs = shard.range((from, 0)..=(to, u64::MAX));
                theirs.map(|(key, over)| (key.0, over.clone())).collect()
            };
            for (peer, over) in theirs {
                // Whose judgment panics stays: its requests are judged again, by who tells of it.
                let judged = catch_unwind(AssertUnwindSafe(|| is_refused(peer)));
                if judged.unwrap_or(false) {
                    debug!(target: "gabion::proxy", %peer, "connection ends: its peer is refused");
                    over.cancel();
                }
            }
        }
    }

    fn shard(&self, nth: u64) -> MutexGuard<'_, Shard> {
        let nth = usize::try_from(nth % Self::SHARDS as u64).unwrap_or_default();
        locked(&self.shards[nth])
    }
}

impl ChangeListener for Connections {
    fn on_ban(&self, client: IpNet) {
        self.judge(client.network(), client.broadcast());
    }

    fn on_policy_replaced(&self) {
        // Of all, any IPv4 address is the less.
        self.judge(
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

// === impl Place ===

impl Place {
    /// What ends the connection.
    pub(super) const fn over(&self) -> &CancellationToken {
        &self.over
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections
            .shard(self.nth)
            .remove(&(self.peer, self.nth));
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
    }
}
