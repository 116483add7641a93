//! A registry of served connections, which limits their number and closes those whose peer the policy
//! denies.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gabion_core::{
    ChangeListener, ClientIp, ConnectionLimit, Now, PeerAddr, PolicySource, Snapshot,
};
use http::HeaderMap;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::capacity::{Capacity, Full, Place, Places};

/// Limits the number of open connections, and closes those whose peer the current policy denies: after a
/// ban, and after a policy change ([`ChangeListener`]).
///
/// An idle connection closes at once. One with a request in progress closes after its response, or
/// after [`Self::LINGER`] at the latest. A trusted proxy, which carries other clients' requests, is
/// never closed. Connections that left HTTP/1 are closed by the layers that guard them.
///
/// A connection beyond the [`Capacity`] is closed unread. If that of all clients is reached, the oldest
/// connection ends, too, at once or after its response: so idle connections keep others out only if all are
/// those of trusted proxies.
///
/// # Cost
///
/// Two of [`Self::SHARDS`] locks when a connection opens and when it closes, and two table entries
/// per open connection.
///
/// # Examples
///
/// ```
/// use std::{
///     io::Read,
///     net::TcpStream,
///     num::NonZeroUsize,
///     sync::{Arc, atomic::{AtomicBool, Ordering}},
///     thread,
///     time::{Duration, Instant, SystemTime},
/// };
///
/// use gabion_core::{
///     ChangeListener, ClientIp, ClientRules, Denial, Facts, Inspect, Now, PathViews, RequestState,
///     Snapshot, Verdict,
/// };
/// use gabion_proxy::{Connections, Proxy, ProxyOptions, ServeOptions, Upstream, workers};
///
/// /// Denies every client once it is set.
/// struct Deny(Arc<AtomicBool>);
///
/// impl Inspect for Deny {
///     fn name(&self) -> &'static str {
///         "deny"
///     }
///
///     fn inspect(&self, _facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
///         Verdict::Pass
///     }
///
///     fn recheck(&self, _client: &ClientIp, _path: &PathViews<'_>, _now: Now) -> Verdict {
///         match self.0.load(Ordering::Relaxed) {
///             true => Denial::forbidden("deny", "example").into(),
///             false => Verdict::Pass,
///         }
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let denies = Arc::new(AtomicBool::new(false));
/// let policy = Snapshot::new(ClientRules::default(), Arc::new(Deny(Arc::clone(&denies))));
/// let start = Instant::now();
/// let now = move || Now::new(start.elapsed(), SystemTime::now());
/// let connections = Arc::new(Connections::new(Arc::new(policy), now));
///
/// let options = ServeOptions::default().with_connections(Arc::clone(&connections));
/// let upstream: Upstream = "http://127.0.0.1:5000".parse()?;
/// let workers = workers(NonZeroUsize::MIN, "127.0.0.1:0".parse()?, &options, move |tunnels| {
///     Proxy::new(upstream.clone(), &ProxyOptions::default(), tunnels.clone())
/// })?;
/// let mut client = TcpStream::connect(workers.local_addr())?;
/// # while connections.is_empty() {
/// #     thread::sleep(Duration::from_millis(1));
/// # }
///
/// // A policy that passes the peer keeps its connection.
/// connections.on_policy_replaced();
/// assert_eq!(connections.len(), 1);
///
/// // A policy that denies the peer closes it.
/// denies.store(true, Ordering::Relaxed);
/// connections.on_policy_replaced();
/// assert_eq!(client.read(&mut [0])?, 0);
/// # Ok(())
/// # }
/// ```
pub struct Connections {
    source: Box<dyn PolicySource>,
    now: Box<dyn Fn() -> Now + Send + Sync>,
    observes: Box<dyn Fn() -> bool + Send + Sync>,
    shards: Vec<Mutex<Shard>>,
    next_id: AtomicU64,
    next_ended: AtomicU64,
    /// The number of connections that were ended to make room and are still open.
    ending: AtomicUsize,
    open: Arc<Places>,
    capacity: Capacity,
}

/// The place of an open connection, until it is dropped with the socket.
#[derive(Debug)]
pub(super) struct Admission {
    _place: Place,
    /// `true` if the connection may be ended to make room: not that of a trusted proxy.
    makes_room: bool,
}

/// The connections of a shard that are not upgraded.
#[derive(Debug, Default)]
struct Shard {
    /// By peer and id, with the tokens that end each.
    by_peer: BTreeMap<(IpAddr, u64), EndTokens>,
    /// By id, the oldest first, without those that were ended to make room, and without trusted proxies.
    by_age: BTreeSet<(u64, IpAddr)>,
}

/// The tokens that end a connection.
#[derive(Clone, Debug)]
struct EndTokens {
    /// After its request in progress.
    graceful: CancellationToken,
    /// Within the linger time.
    denied: CancellationToken,
}

/// A connection's entry in the registry, removed on drop.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    connections: Arc<Connections>,
    peer: IpAddr,
    id: u64,
    /// `true` if it may be ended to make room.
    makes_room: bool,
    end: EndTokens,
}

// === impl Connections ===

impl Connections {
    /// The time a connection may still finish its current request after its peer was denied: 3 s.
    pub const LINGER: Duration = Duration::from_secs(3);

    /// The number of locks that the connections are spread over.
    pub const SHARDS: usize = 16;

    /// The default capacity: 1,048,576 connections.
    pub const CAPACITY: usize = 1 << 20;

    /// The default capacity for the connections of one client: 4,096.
    pub const CAPACITY_PER_CLIENT: usize = 1 << 12;

    /// Creates a registry that rechecks peers against the current policy of `source`. `now` must be
    /// the clock that bans are recorded with.
    pub fn new(
        source: impl PolicySource + 'static,
        now: impl Fn() -> Now + Send + Sync + 'static,
    ) -> Self {
        Self {
            source: Box::new(source),
            now: Box::new(now),
            observes: Box::new(|| false),
            shards: (0..Self::SHARDS).map(|_| Mutex::default()).collect(),
            next_id: AtomicU64::new(0),
            next_ended: AtomicU64::new(0),
            ending: AtomicUsize::new(0),
            open: Arc::default(),
            capacity: Capacity::default(),
        }
    }

    /// Sets the largest numbers of open connections.
    pub fn with_capacity(self, capacity: Capacity) -> Self {
        Self { capacity, ..self }
    }

    /// Sets a switch: while `observes` returns `true`, as during a temporary switch to observe mode, no connection
    /// is refused or closed because the policy denies its peer.
    pub fn with_observe_switch(self, observes: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let observes = Box::new(observes);
        Self { observes, ..self }
    }

    /// Returns the number of open connections, with those that were upgraded.
    pub fn len(&self) -> usize {
        self.open.taken()
    }

    /// Returns `true` if no connection is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Admits a connection from `peer`, but not that of a denied one if `must_pass`. If too many are open, the
    /// oldest one ends.
    pub(super) fn admit(
        &self,
        peer: PeerAddr,
        must_pass: bool,
    ) -> Result<Admission, ConnectionLimit> {
        let policy = self.source.current();
        let client = policy.client.resolve(peer, &HeaderMap::new());
        // After a panic, the layers in front inspect each request again, and report it.
        let is_denied = || self.is_denied(&policy, &client);
        if must_pass && catch_unwind(AssertUnwindSafe(is_denied)).unwrap_or(false) {
            return Err(ConnectionLimit::Denied);
        }
        match self.open.take(client, self.capacity) {
            Ok(place) => Ok(Admission {
                _place: place,
                makes_room: !client.via_trusted(),
            }),
            Err(Full::Client) => Err(ConnectionLimit::Client),
            Err(Full::Total) => {
                self.end_oldest();
                Err(ConnectionLimit::Total)
            }
        }
    }

    /// Ends the oldest connection of the first shard that has one, from another shard on each time; none while
    /// as many are on their way out as make room for the reserve.
    fn end_oldest(&self) {
        if self.ending.load(Ordering::Relaxed) >= self.capacity.reserve() {
            return;
        }
        let start = self.next_ended.fetch_add(1, Ordering::Relaxed);
        for id in start..start.saturating_add(Self::SHARDS as u64) {
            let mut shard = self.shard(id);
            if let Some((id, peer)) = shard.by_age.pop_first() {
                if let Some(end) = shard.by_peer.get(&(peer, id)) {
                    self.ending.fetch_add(1, Ordering::Relaxed);
                    end.graceful.cancel();
                }
                return;
            }
        }
    }

    /// Registers a connection, whose token is canceled with `stopping` too.
    pub(super) fn register(
        self: &Arc<Self>,
        peer: PeerAddr,
        admission: &Admission,
        stopping: &CancellationToken,
    ) -> ConnectionSlot {
        let slot = ConnectionSlot {
            connections: Arc::clone(self),
            peer: peer.addr(),
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            makes_room: admission.makes_room,
            end: EndTokens {
                graceful: stopping.child_token(),
                denied: CancellationToken::new(),
            },
        };
        let mut shard = self.shard(slot.id);
        shard.by_peer.insert((slot.peer, slot.id), slot.end.clone());
        if slot.makes_room {
            shard.by_age.insert((slot.id, slot.peer));
        }
        drop(shard);
        slot
    }

    /// Closes the connections of the denied peers in this address range.
    fn recheck(&self, from: IpAddr, to: IpAddr) {
        let policy = self.source.current();
        let is_denied = |peer: IpAddr| {
            let peer = PeerAddr::new((peer, 0).into());
            let client = policy.client.resolve(peer, &HeaderMap::new());
            self.is_denied(&policy, &client)
        };
        for shard in &self.shards {
            let matching: Vec<_> = {
                let shard = locked(shard);
                let matching = shard.by_peer.range((from, 0)..=(to, u64::MAX));
                matching.map(|(key, end)| (key.0, end.clone())).collect()
            };
            for (peer, end) in matching {
                // A peer whose recheck panics stays connected: the layers in front inspect its next
                // request again, and report the panic.
                let rechecked = catch_unwind(AssertUnwindSafe(|| is_denied(peer)));
                if rechecked.unwrap_or(false) {
                    debug!(
                        target: "gabion::proxy", %peer,
                        "closing the connection: the policy denies its peer"
                    );
                    end.denied.cancel();
                    end.graceful.cancel();
                }
            }
        }
    }

    /// Returns `true` if the policy denies each request of `client`, which is not a trusted proxy.
    fn is_denied(&self, policy: &Snapshot, client: &ClientIp) -> bool {
        !client.via_trusted()
            && !(self.observes)()
            && policy.recheck(client, "/", (self.now)()).is_some()
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
        // Every IPv4 address sorts before every IPv6 address.
        self.recheck(
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv6Addr::from(u128::MAX).into(),
        );
    }
}

/// A panic under this lock could only come from an allocation, which leaves the map consistent.
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

// === impl Admission ===

impl Admission {
    /// Returns `true` if the connection is that of a trusted proxy.
    pub(super) const fn is_of_trusted_proxy(&self) -> bool {
        !self.makes_room
    }
}

// === impl ConnectionSlot ===

impl ConnectionSlot {
    /// Returns the token that ends the connection after its request in progress.
    pub(super) const fn graceful(&self) -> &CancellationToken {
        &self.end.graceful
    }

    /// Returns the token that ends the connection within the linger time.
    pub(super) const fn denied(&self) -> &CancellationToken {
        &self.end.denied
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut shard = self.connections.shard(self.id);
        shard.by_peer.remove(&(self.peer, self.id));
        let was_ended = self.makes_room && !shard.by_age.remove(&(self.id, self.peer));
        drop(shard);
        if was_ended {
            self.connections.ending.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
