//! Every session that is open.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher, RandomState},
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gabion_core::{ClientIp, Ending, Event, FaultEvent, SessionEvent, SessionId, Sink};
use hyper::rt::{Sleep, Timer};
use ipnet::IpNet;

use super::{Seat, Session};
use crate::Clock;

/// The open sessions of one guard, at most so many, by client.
///
/// # Cost
///
/// A lock of one of [`Self::SHARDS`] when a session opens, when it ends, and when its client is
/// looked for; none for what passes through it. A session takes about 1 KiB, of which this table
/// holds about 300 bytes and its path.
pub struct Sessions {
    shards: Vec<Mutex<Shard>>,
    by: RandomState,
    open: AtomicUsize,
    opened: AtomicU64,
    capacity: usize,
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn Sink>>,
    timer: Option<Arc<dyn Timer + Send + Sync>>,
}

type Shard = BTreeMap<(IpNet, SessionId), Arc<Session>>;

// === impl Sessions ===

impl Sessions {
    /// How many locks share the load.
    pub const SHARDS: usize = 32;

    /// How many sessions are open at most unless another capacity is asked for.
    pub const CAPACITY: usize = 1 << 20;

    /// A table that reads the time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            shards: (0..Self::SHARDS).map(|_| Mutex::default()).collect(),
            by: RandomState::new(),
            open: AtomicUsize::new(0),
            opened: AtomicU64::new(0),
            capacity: Self::CAPACITY,
            clock,
            sink: None,
            timer: None,
        }
    }

    /// Sets how many sessions are open at most; a handshake beyond them is answered 503.
    pub fn with_capacity(self, capacity: usize) -> Self {
        Self { capacity, ..self }
    }

    /// Tells `sink` of each session that is ended.
    pub fn with_sink(mut self, sink: Arc<dyn Sink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Waits by `timer` for what does not come: the end of a frame, a client that hangs up. Without it
    /// a session whose time is up ends when somebody next reads or writes.
    pub fn with_timer(mut self, timer: Arc<dyn Timer + Send + Sync>) -> Self {
        self.timer = Some(timer);
        self
    }

    /// How many are open, or asked for.
    pub fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A seat for a session of `client`'s; none where every seat is taken.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        client: ClientIp,
        path: &str,
        generation: u64,
    ) -> Option<Seat> {
        let room = |open: usize| (open < self.capacity).then_some(open + 1);
        let reserved = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        reserved.ok()?;
        let id = SessionId::new(self.opened.fetch_add(1, Ordering::Relaxed));
        let session = Arc::new(Session::new(id, client, path, generation));
        let network = client.network();
        self.shard(network)
            .insert((network, id), Arc::clone(&session));
        Some(Seat::new(session, Arc::clone(self)))
    }

    /// The seat is free again.
    pub(crate) fn release(&self, session: &Session) {
        let network = session.client.network();
        if self.shard(network).remove(&(network, session.id)).is_some() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The open sessions of `client`.
    pub(super) fn of(&self, client: IpNet) -> Vec<Arc<Session>> {
        let from = Bound::Included((client, SessionId::new(0)));
        let to = Bound::Included((client, SessionId::new(u64::MAX)));
        let shard = self.shard(client);
        shard
            .range((from, to))
            .map(|(_, one)| one.clone())
            .collect()
    }

    /// Every open session, a shard at a time.
    pub(super) fn all(&self) -> impl Iterator<Item = Arc<Session>> {
        let shards = self.shards.iter().map(locked);
        shards.flat_map(|shard| shard.values().cloned().collect::<Vec<_>>())
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now().mono()
    }

    pub(super) fn sleep(&self, time: Duration) -> Option<std::pin::Pin<Box<dyn Sleep>>> {
        Some(self.timer.as_ref()?.sleep(time))
    }

    /// Tells of a session that ends for `ending`.
    pub(super) fn tell(&self, session: &Session, ending: &Ending) {
        let Some(sink) = &self.sink else { return };
        sink.record(&Event::Session(SessionEvent::new(
            self.clock.now().wall(),
            session.id,
            session.client,
            session.path.as_bytes(),
            session.generation,
            ending.clone(),
        )));
    }

    /// Tells of a panic over whether a session may go on, which it does.
    pub(super) fn tell_fault(&self, session: &Session, generation: u64, words: String) {
        let Some(sink) = &self.sink else { return };
        let (at, client) = (self.clock.now().wall(), session.client);
        sink.record(&Event::Fault(FaultEvent::new(
            at, client, generation, words,
        )));
    }

    fn shard(&self, client: IpNet) -> MutexGuard<'_, Shard> {
        let shards = self.shards.len() as u64;
        let nth = usize::try_from(self.by.hash_one(client) % shards).unwrap_or_default();
        locked(&self.shards[nth])
    }
}

/// Nothing panics while a shard is locked but an allocation, and then its map is whole.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
