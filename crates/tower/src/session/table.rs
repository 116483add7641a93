//! The table of open sessions.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher, RandomState},
    ops::RangeInclusive,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gabion_core::{
    Cause, ClientIp, Denial, Facts, Mode, Now, Reason, RuleId, SessionId, SessionKind,
    SessionLimits,
};
use gabion_frames::BufferBudget;
use http::StatusCode;
use hyper::rt::{Sleep, Timer};
use ipnet::IpNet;

use super::{
    Session, client_buckets::ClientBuckets, idle_timeouts::PeerIdleTimeouts,
    parser_limits::ParserLimits,
};

/// A bounded table of the open sessions of one guard, by client.
///
/// A [`GuardLayer`](crate::GuardLayer) registers sessions in it and closes those that the policy
/// denies ([`GuardLayer::with_sessions`](crate::GuardLayer::with_sessions)).
///
/// # Examples
///
/// A handshake passes, and is denied by a table without room:
///
/// ```
/// # use std::{convert::Infallible, sync::Arc};
/// # use bytes::Bytes;
/// # use gabion_core::{ClientRules, Facts, Inspect, PeerAddr, RequestState, Snapshot, Verdict};
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// use gabion_tower::{Sessions, guard_layer};
///
/// # struct PassAll;
/// # impl Inspect for PassAll {
/// #     fn name(&self) -> &'static str {
/// #         "pass"
/// #     }
/// #     fn inspect(&self, _: &Facts<'_>, _: &mut RequestState) -> Verdict {
/// #         Verdict::Pass
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let policy = Arc::new(Snapshot::new(ClientRules::default(), Arc::new(PassAll)));
/// # let peer = PeerAddr::new(([203, 0, 113, 9], 4711).into());
/// for (capacity, status) in [(1, 200), (0, 503)] {
///     let sessions = Arc::new(Sessions::new().with_capacity(capacity));
///     let layer = guard_layer(policy.clone()).with_sessions(sessions);
/// #     let service = service_fn(|_: Request<()>| async {
/// #         Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
/// #     });
///     let handshake = Request::get("/")
///         .header("connection", "upgrade")
///         .header("upgrade", "websocket")
///         .extension(peer)
///         .body(())?;
///     assert_eq!(layer.layer(service).oneshot(handshake).await?.status(), status);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Cost
///
/// Two locks when a session opens and when it ends: that of one of the [`Self::SHARDS`] shards, and
/// that of the counts. One lock of a shard when the sessions of a client are looked up, and none for
/// bytes that pass. A session takes about 1 KiB, of which this table holds about 300 bytes and the
/// path.
pub struct Sessions {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    open: AtomicUsize,
    /// The number of open sessions per route. Changed together with `open`.
    routes: Mutex<BTreeMap<Box<str>, usize>>,
    opened: AtomicU64,
    capacity: usize,
    /// The memory of messages that are incomplete or wait for the service.
    message_budget: Arc<BufferBudget>,
    pub(crate) parser_limits: ParserLimits,
    pub(crate) idle_timeouts: PeerIdleTimeouts,
    timer: Option<Arc<dyn Timer + Send + Sync>>,
}

type Shard = BTreeMap<(IpNet, SessionId), Arc<Session>>;

// === impl Sessions ===

impl Sessions {
    /// The rule that denies a client a further WebSocket on a route, with 429.
    pub const PER_CLIENT: RuleId = RuleId::builtin("upgrade/sockets-per-client");

    /// The rule that denies all clients a further WebSocket, on a route or in the table, with 503.
    pub const IN_ALL: RuleId = RuleId::builtin("upgrade/sockets");

    /// The number of shards, each with its own lock.
    pub const SHARDS: usize = 32;

    /// The default capacity, in sessions.
    pub const CAPACITY: usize = 1 << 20;

    /// Creates an empty table.
    pub fn new() -> Self {
        Self {
            shards: (0..Self::SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            open: AtomicUsize::new(0),
            routes: Mutex::default(),
            opened: AtomicU64::new(0),
            capacity: Self::CAPACITY,
            message_budget: Arc::default(),
            parser_limits: ParserLimits::default(),
            idle_timeouts: PeerIdleTimeouts::default(),
            timer: None,
        }
    }

    /// Sets the maximum number of open sessions. A handshake beyond it is answered with 503. The
    /// default is [`Self::CAPACITY`].
    pub fn with_capacity(self, capacity: usize) -> Self {
        Self { capacity, ..self }
    }

    /// Sets the timer that wakes sessions at their deadlines: for the end of a frame, a client that
    /// does not disconnect, a ping. If unset, deadlines are checked at the next read or write of
    /// the service and in [`Self::maintain`], and no pings are sent.
    pub fn with_timer(mut self, timer: Arc<dyn Timer + Send + Sync>) -> Self {
        self.timer = Some(timer);
        self
    }

    /// Returns the number of sessions that are open or being opened: WebSockets and event streams.
    pub fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Returns the maximum number of open sessions.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns `true` if no session is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of bytes of all messages that are incomplete or wait for the service.
    pub fn buffered(&self) -> u64 {
        self.message_budget.used()
    }

    /// Returns the budget that all sessions share.
    pub(crate) const fn message_budget(&self) -> &Arc<BufferBudget> {
        &self.message_budget
    }

    /// Registers the session that `facts` request. If `capped`, the caps of `limits` apply. The
    /// caller releases it.
    pub(crate) fn open(
        &self,
        facts: &Facts<'_>,
        generation: u64,
        limits: Option<&Arc<SessionLimits>>,
        capped: bool,
    ) -> Result<Arc<Session>, Box<Denial>> {
        let network = facts.client.network();
        let route = limits.map_or("", |limits| &*limits.route);
        let mut shard = self.shard(network);
        let capped = limits.filter(|_| capped);
        if let Some(limits) = capped.filter(|_| facts.client.exempt().is_none())
            && let Some(max) = limits.sockets_per_client
        {
            let on_route = |other: &&Arc<Session>| other.route() == Some(route);
            let of_client = shard
                .range(client_keys(network))
                .map(|(_, session)| session);
            if of_client.filter(on_route).take(max as usize).count() >= max as usize {
                return Err(over_capacity(Self::PER_CLIENT, limits.mode, max as usize));
            }
        }
        self.count_opened(Some(route), capped)?;
        let (id, path) = (self.next_id(), facts.uri.path());
        let session = Session::new(id, SessionKind::WebSocket, facts.client, path, generation);
        let metered = limits.filter(|_| facts.client.exempt().is_none());
        let client_buckets = metered.and_then(|limits| client_buckets(&shard, network, limits));
        let session = session
            .with_limits(limits)
            .with_client_buckets(client_buckets);
        let session = Arc::new(session.with_peer(facts.peer.addr()));
        shard.insert((network, id), Arc::clone(&session));
        Ok(session)
    }

    /// Registers an event stream, or returns `None` if the table is full. The caller releases it.
    pub(crate) fn open_stream(
        &self,
        client: ClientIp,
        path: &str,
        generation: u64,
    ) -> Option<Arc<Session>> {
        let network = client.network();
        let mut shard = self.shard(network);
        self.count_opened(None, None).ok()?;
        let id = self.next_id();
        let session = Session::new(id, SessionKind::EventStream, client, path, generation);
        let session = Arc::new(session);
        shard.insert((network, id), Arc::clone(&session));
        Some(session)
    }

    fn next_id(&self) -> SessionId {
        SessionId::new(self.opened.fetch_add(1, Ordering::Relaxed))
    }

    /// Adds a session to the counts, within the cap of `limits` and the capacity of the table.
    fn count_opened(
        &self,
        route: Option<&str>,
        limits: Option<&Arc<SessionLimits>>,
    ) -> Result<(), Box<Denial>> {
        let mut routes = lock(&self.routes);
        let open = route.map_or(0, |route| routes.get(route).copied().unwrap_or_default());
        let max = limits.and_then(|limits| Some((limits.sockets? as usize, limits.mode)));
        if let Some((max, mode)) = max.filter(|(max, _)| open >= *max) {
            return Err(over_capacity(Self::IN_ALL, mode, max));
        }
        if self.len() >= self.capacity {
            return Err(over_capacity(Self::IN_ALL, Mode::Enforce, self.capacity));
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        if let Some(route) = route {
            match routes.get_mut(route) {
                Some(open) => *open += 1,
                None => drop(routes.insert(route.into(), 1)),
            }
        }
        Ok(())
    }

    /// Removes a session from the counts.
    fn count_closed(&self, route: Option<&str>) {
        let mut routes = lock(&self.routes);
        self.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(route) = route
            && let Some(open) = routes.get_mut(route)
        {
            *open -= 1;
            // The entry of a route that the policy no longer has is removed with its last session.
            if *open == 0 {
                routes.remove(route);
            }
        }
    }

    /// Removes a session from the table.
    pub(crate) fn release(&self, session: &Session) {
        let network = session.client.network();
        if self.shard(network).remove(&(network, session.id)).is_some() {
            self.count_closed(session.route());
        }
    }

    /// Returns the open sessions of `client`, or of all clients in it if it is a /24 or /48.
    pub(crate) fn for_client(&self, client: IpNet) -> Vec<Arc<Session>> {
        let surrounding = match client {
            IpNet::V4(_) => 24,
            IpNet::V6(_) => 48,
        };
        if client.prefix_len() <= surrounding {
            let is_inside = |session: &Session| client.contains(&session.client.network());
            return self.filtered(is_inside).collect();
        }
        let shard = self.shard(client);
        let of_client = shard.range(client_keys(client));
        of_client.map(|(_, session)| session.clone()).collect()
    }

    /// Returns the open sessions for which `is_selected` returns `true`, one shard at a time.
    pub(crate) fn filtered(
        &self,
        is_selected: impl Fn(&Session) -> bool,
    ) -> impl Iterator<Item = Arc<Session>> {
        let shards = self.shards.iter().map(lock);
        shards.flat_map(move |shard| {
            let sessions = shard.values().filter(|session| is_selected(session));
            sessions.cloned().collect::<Vec<_>>()
        })
    }

    /// Closes all sessions that are open at `now` with 1012 ("service restart"), spread evenly over
    /// `over`, so that the clients do not reconnect all at once. Without a timer,
    /// [`Self::maintain`] closes them.
    pub fn drain(&self, now: Now, over: Duration) {
        for session in self.filtered(|_| true) {
            let [part, ..] = self.hasher.hash_one(session.id).to_be_bytes();
            let after = over.saturating_mul(u32::from(part)) / u32::from(u8::MAX);
            session.end_at(now.mono().saturating_add(after));
        }
    }

    /// Wakes the sessions whose deadline has passed at `now`, for tables without a timer. Call it
    /// about once a second.
    pub fn maintain(&self, now: Now) {
        self.filtered(|session| session.is_due(now.mono()))
            .for_each(|session| session.wake_both());
    }

    pub(crate) fn sleep(&self, time: Duration) -> Option<Pin<Box<dyn Sleep>>> {
        Some(self.timer.as_ref()?.sleep(time))
    }

    pub(crate) const fn has_timer(&self) -> bool {
        self.timer.is_some()
    }

    /// Returns unpredictable bytes that identify the pongs to a session's pings.
    pub(crate) fn tag(&self, session: &Session) -> [u8; 8] {
        self.hasher.hash_one(("ping", session.id)).to_be_bytes()
    }

    fn shard(&self, client: IpNet) -> MutexGuard<'_, Shard> {
        let shards = self.shards.len() as u64;
        let index = usize::try_from(self.hasher.hash_one(client) % shards).unwrap_or_default();
        lock(&self.shards[index])
    }
}

/// Returns the range of keys of a client.
fn client_keys(client: IpNet) -> RangeInclusive<(IpNet, SessionId)> {
    (client, SessionId::new(0))..=(client, SessionId::new(u64::MAX))
}

/// Returns the token buckets of `client` under `limits`, shared with its other sessions on the
/// route.
fn client_buckets(
    shard: &Shard,
    client: IpNet,
    limits: &SessionLimits,
) -> Option<Arc<ClientBuckets>> {
    let fresh = ClientBuckets::new(limits)?;
    let of_client = shard.range(client_keys(client)).map(|(_, session)| session);
    let on_route = of_client.filter(|other| other.route() == Some(&limits.route));
    let mut existing = on_route.filter_map(|other| other.client_buckets.as_ref());
    let found = existing.find(|client_buckets| client_buckets.matches(limits));
    Some(found.map_or_else(|| Arc::new(fresh), Arc::clone))
}

/// Creates the denial of a WebSocket beyond `max`.
fn over_capacity(rule: RuleId, mode: Mode, max: usize) -> Box<Denial> {
    let status = if rule == Sessions::PER_CLIENT {
        StatusCode::TOO_MANY_REQUESTS
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let why = Reason::Other(format!("{max} WebSockets are already open").into());
    Box::new(Denial::new(Cause::new(rule, why), status).with_mode(mode))
}

/// A poisoned lock is usable: only an allocation can panic while it is held, and the map is intact
/// then.
fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
