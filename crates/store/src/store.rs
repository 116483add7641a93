//! The store of bans.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, Weak,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use gabion_core::{
    BanSnapshot, BanSource, BanUpdate, ChangeListener, Event, Sink, StoreEvent, StorePart,
    UpdateOrigin,
};
use ipnet::IpNet;

use crate::{
    PartState, StoreError, StoreOptions, StoreStatus, StoredEvent, clock,
    disk::{Disk, Folder},
    writer::{Message, Queues, SLOW, Writer, lock},
};

/// The time that a dropped store has to write what is queued.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval at which a caller of [`Store::sync`] retries a full queue.
const FULL_QUEUE_RETRY: Duration = Duration::from_millis(1);

/// Bans, temporary exemptions, offenses and events in a folder, written by a thread of its own.
///
/// Subscribe it to the table of bans as a [`ChangeListener`], and [attach](Self::attach) the table, so that
/// updates that a full queue or an outage dropped are written from a snapshot.
///
/// # Cost
///
/// An update costs one insertion into a bounded queue. It is durable a few milliseconds later, in one
/// transaction with the others in the queue.
///
/// # Examples
///
/// See the [crate](crate).
pub struct Store {
    queues: Queues,
    writer: Option<JoinHandle<()>>,
    /// Disconnected when the thread has closed the files.
    ended: Mutex<Receiver<()>>,
}

// === impl Store ===

impl Store {
    /// The maximum number of events that [`Store::events`] returns.
    pub const MAX_EVENTS: usize = 10_000;

    /// Opens the files, reads them and starts the thread that writes them. State changes are reported to
    /// `sink`.
    ///
    /// A file that cannot be opened does not make it fail: see [`Store::status`].
    ///
    /// # Errors
    ///
    /// Fails if the thread cannot be started.
    ///
    /// # Cost
    ///
    /// Waits for the disk, at most [`StoreOptions::with_open_timeout`].
    pub fn open(options: StoreOptions, sink: Arc<dyn Sink>) -> Result<Self, StoreError> {
        let disk = Arc::new(Folder::new(options.folder.clone()));
        Self::open_on(disk, options, sink)
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
        sink: Arc<dyn Sink>,
    ) -> Result<Self, StoreError> {
        let (queues, received) = Queues::new(options.queue);
        let (on_open, opened) = sync_channel(1);
        let (on_end, ended) = sync_channel::<()>(1);
        let (open_timeout, shared) = (options.open_timeout, queues.shared.clone());
        let write = move || {
            let writer = Writer::new(options, disk, &sink, shared.clone(), received);
            let run = AssertUnwindSafe(|| writer.run(|| _ = on_open.try_send(())));
            if catch_unwind(run).is_err() {
                let error = "the thread that writes panicked";
                let event = StoreEvent::degraded(clock::wall(), StorePart::Bans, error);
                sink.record(&Event::Store(event));
            }
            let mut parts = lock(&shared.status);
            (parts.bans.state, parts.events.state) = (PartState::Closed, PartState::Closed);
            drop(on_end);
        };
        let thread = thread::Builder::new().name("gabion-store".to_owned());
        let writer = thread.spawn(write).map_err(StoreError::Thread)?;
        // A thread is set once.
        let _ = queues.shared.writer.set(writer.thread().clone());
        let _ = opened.recv_timeout(open_timeout);
        Ok(Self {
            queues,
            writer: Some(writer),
            ended: Mutex::new(ended),
        })
    }

    /// Takes the bans, exemptions and offenses that were read from the files and have not expired. Empty
    /// if the files could not be read, and at the second call.
    ///
    /// Without this call, and for files that can only be read later, they are passed to
    /// [`BanSource::restore_bans`] of the attached source.
    pub fn restored(&self) -> BanSnapshot {
        lock(&self.queues.shared.restored)
            .take()
            .unwrap_or_default()
    }

    /// Attaches the table of bans, of which a snapshot is written after updates were dropped. It is held
    /// weakly, and replaces an earlier one.
    pub fn attach(&self, source: Weak<dyn BanSource>) {
        self.queues.shared.attach(source);
    }

    /// Returns when every earlier update and event is durable.
    ///
    /// # Errors
    ///
    /// Fails if a file does not work, or if the disk does not respond within `timeout`. The update is in
    /// force, and is written when the file works again.
    ///
    /// # Cost
    ///
    /// Waits for the disk. Not for the request path.
    pub fn sync(&self, timeout: Duration) -> Result<(), StoreError> {
        let (reply, replied) = sync_channel(1);
        self.ask(Message::Sync(reply), &replied, timeout)?
    }

    /// Returns the events since `since`, latest first, at most `limit` and [`Store::MAX_EVENTS`].
    ///
    /// # Errors
    ///
    /// Fails if the file does not work, or if the disk does not respond within `timeout`.
    ///
    /// # Cost
    ///
    /// Writes queued events first, and waits for the disk. Not for the request path.
    pub fn events(
        &self,
        since: SystemTime,
        limit: usize,
        timeout: Duration,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let (reply, replied) = sync_channel(1);
        let limit = limit.min(Self::MAX_EVENTS);
        let read = Message::Read {
            since,
            limit,
            reply,
        };
        self.ask(read, &replied, timeout)?
    }

    /// Queues an event, which is written within about a second. If the queue is full, it is dropped and
    /// counted ([`StoreStatus::dropped_events`]).
    pub fn record_event(&self, event: StoredEvent) {
        self.queues.push_event(event);
    }

    /// The states of the files and queues.
    pub fn status(&self) -> StoreStatus {
        let shared = &self.queues.shared;
        let parts = lock(&shared.status).clone();
        let mut status = StoreStatus {
            bans: parts.bans,
            events: parts.events,
            queued: shared.queued.load(Ordering::Relaxed),
            dropped_updates: shared.dropped_updates.load(Ordering::Relaxed),
            dropped_events: shared.dropped_events.load(Ordering::Relaxed),
        };
        let is_slow = (parts.busy_since).is_some_and(|since| clock::monotonic() - since > SLOW);
        for part in [&mut status.bans, &mut status.events] {
            if is_slow && part.state == PartState::Ready {
                part.state = PartState::Slow;
            }
        }
        status
    }

    fn ask<T>(
        &self,
        mut message: Message,
        replied: &Receiver<T>,
        timeout: Duration,
    ) -> Result<T, StoreError> {
        let deadline = clock::monotonic() + timeout;
        while let Err(full) = self.queues.try_push(message) {
            message = full.ok_or(StoreError::Closed)?;
            if clock::monotonic() >= deadline {
                return Err(StoreError::Timeout(timeout));
            }
            thread::park_timeout(FULL_QUEUE_RETRY);
        }
        self.queues.shared.wake();
        let left = deadline.saturating_duration_since(clock::monotonic());
        replied.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Timeout => StoreError::Timeout(timeout),
            RecvTimeoutError::Disconnected => StoreError::Closed,
        })
    }
}

impl ChangeListener for Store {
    fn on_ban(&self, _client: IpNet) {}

    fn on_policy_replaced(&self) {}

    fn on_ban_update(&self, update: &BanUpdate, origin: UpdateOrigin) {
        match origin {
            UpdateOrigin::Store => {}
            UpdateOrigin::Rule | UpdateOrigin::Operator | UpdateOrigin::Peer => {
                self.queues.push_update(update.clone());
            }
        }
    }
}

impl Drop for Store {
    /// Writes what is queued, for at most 10 seconds.
    fn drop(&mut self) {
        self.queues.shared.stops.store(true, Ordering::Release);
        self.queues.shared.wake();
        let ended = lock(&self.ended).recv_timeout(CLOSE_TIMEOUT);
        if let (Err(RecvTimeoutError::Disconnected), Some(writer)) = (ended, self.writer.take()) {
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
