//! The bounded queues between callers and the writer.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::Thread,
    time::{Instant, SystemTime},
};

use gabion_core::{BanSnapshot, BanSource, BanUpdate};

use crate::{PartStatus, StoreError, StoredEvent};

/// A message in the queue of updates.
#[derive(Debug)]
pub(crate) enum Message {
    Update(BanUpdate),
    /// Answered when every earlier message is durable.
    Sync(SyncSender<Result<(), StoreError>>),
    Read {
        since: SystemTime,
        limit: usize,
        reply: SyncSender<Result<Vec<StoredEvent>, StoreError>>,
    },
}

/// The side of the callers. Nothing in it waits for the disk.
#[derive(Debug)]
pub(crate) struct Queues {
    updates: SyncSender<Message>,
    events: SyncSender<StoredEvent>,
    pub(crate) shared: Arc<Shared>,
}

/// The side of the writer.
#[derive(Debug)]
pub(crate) struct Received {
    updates: Receiver<Message>,
    events: Receiver<StoredEvent>,
}

/// State that callers and the writer share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) writer: OnceLock<Thread>,
    pub(crate) stops: AtomicBool,
    /// Updates that found the queue full since the last snapshot was written.
    pub(crate) overflowed: AtomicU64,
    pub(crate) queued: AtomicUsize,
    pub(crate) dropped_updates: AtomicU64,
    pub(crate) dropped_events: AtomicU64,
    source: Mutex<Option<Weak<dyn BanSource>>>,
    /// Rows of the files that are neither returned nor passed to the source.
    pub(crate) restored: Mutex<Option<BanSnapshot>>,
    pub(crate) status: Mutex<Parts>,
}

/// The states of both files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) bans: PartStatus,
    pub(crate) events: PartStatus,
    /// The beginning of the disk access in progress.
    pub(crate) busy_since: Option<Instant>,
}

// === impl Queues ===

impl Queues {
    pub(crate) fn new(capacity: usize) -> (Self, Received) {
        let (updates, received_updates) = sync_channel(capacity);
        let (events, received_events) = sync_channel(capacity);
        let received = Received {
            updates: received_updates,
            events: received_events,
        };
        let shared = Arc::default();
        let queues = Self {
            updates,
            events,
            shared,
        };
        (queues, received)
    }

    /// Queues an update, or counts it.
    pub(crate) fn push_update(&self, update: BanUpdate) {
        if self.try_push(Message::Update(update)).is_err() {
            self.shared.dropped_updates.fetch_add(1, Ordering::Relaxed);
            self.shared.overflowed.fetch_add(1, Ordering::Release);
        }
        self.shared.wake();
    }

    /// Queues a message; returns it if the queue is full, `None` if the writer has ended.
    pub(crate) fn try_push(&self, message: Message) -> Result<(), Option<Message>> {
        // Counted before it is sent, so that the writer never counts below zero.
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        let sent = self.updates.try_send(message);
        if sent.is_err() {
            self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        }
        sent.map_err(|error| match error {
            TrySendError::Full(message) => Some(message),
            TrySendError::Disconnected(_) => None,
        })
    }

    /// Queues an event, or counts it. The writer collects events for a second, so it is not woken.
    pub(crate) fn push_event(&self, event: StoredEvent) {
        if self.events.try_send(event).is_err() {
            self.shared.dropped_events.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// === impl Received ===

impl Received {
    pub(crate) fn update(&self, shared: &Shared) -> Option<Message> {
        let message = self.updates.try_recv().ok()?;
        shared.queued.fetch_sub(1, Ordering::Relaxed);
        Some(message)
    }

    pub(crate) fn event(&self) -> Option<StoredEvent> {
        self.events.try_recv().ok()
    }
}

// === impl Shared ===

impl Shared {
    pub(crate) fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    pub(crate) fn attach(&self, source: Weak<dyn BanSource>) {
        *lock(&self.source) = Some(source);
        self.wake();
    }

    pub(crate) fn source(&self) -> Option<Arc<dyn BanSource>> {
        lock(&self.source).as_ref()?.upgrade()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A value poisoned by a panic is still valid: each is replaced as a whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
