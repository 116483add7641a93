//! The thread that writes both files.

mod missed;
mod queue;
mod slot;

use std::{
    sync::{Arc, atomic::Ordering, mpsc::SyncSender},
    thread,
    time::{Duration, Instant},
};

use gabion_core::{BanSnapshot, BanUpdate, OffenseHistory, Sink, StoreEvent, StorePart};

pub(crate) use queue::{Message, Queues, Received, Shared, lock};
pub(crate) use slot::SLOW;

use self::{missed::Missed, slot::Slot};
use crate::{
    StoreError, StoreOptions, clock,
    disk::{Disk, FolderLock},
    file::{BanFile, EventChange, EventFile, StoreFile},
};

/// Updates that one transaction writes.
const MAX_UPDATES: usize = 1_000;
/// Changes of `events.redb` that are written together, unless a second passes before.
const MAX_CHANGES: usize = 1_000;
const EVENT_INTERVAL: Duration = Duration::from_secs(1);
const MAINTENANCE_INTERVAL: Duration = Duration::from_mins(1);

/// A caller that waits until earlier updates are durable.
type Waiter = SyncSender<Result<(), StoreError>>;

/// The owner of both files.
pub(crate) struct Writer {
    options: StoreOptions,
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    received: Received,
    bans: Slot<BanFile>,
    events: Slot<EventFile>,
    // Declared after the files, so that they are closed when another process gets the lock.
    lock: Option<FolderLock>,
    missed: Missed,
    changes: Vec<EventChange>,
    /// Callers that wait until the queues were empty once and all of it is written.
    waiters: Vec<Waiter>,
    reads: Vec<Message>,
    events_due: Instant,
    maintenance_due: Instant,
}

/// Updates of the queue.
#[derive(Default)]
struct Batch {
    updates: Vec<BanUpdate>,
    /// Set if one of the queues may contain more.
    is_full: bool,
}

// === impl Writer ===

impl Writer {
    pub(crate) fn new(
        options: StoreOptions,
        disk: Arc<dyn Disk>,
        sink: &Arc<dyn Sink>,
        shared: Arc<Shared>,
        received: Received,
    ) -> Self {
        let now = clock::monotonic();
        Self {
            bans: Slot::new(disk.clone(), sink.clone()),
            events: Slot::new(disk.clone(), sink.clone()),
            options,
            disk,
            shared,
            received,
            lock: None,
            missed: Missed::default(),
            changes: Vec::new(),
            waiters: Vec::new(),
            reads: Vec::new(),
            events_due: now + EVENT_INTERVAL,
            maintenance_due: now,
        }
    }

    /// Opens the files, calls `opened`, and writes until the store is dropped.
    pub(crate) fn run(mut self, opened: impl FnOnce()) {
        self.open_due();
        self.publish();
        opened();
        loop {
            let stops = self.shared.stops.load(Ordering::Acquire);
            self.busy(true);
            self.open_due();
            let is_full = self.turn(stops);
            self.busy(false);
            if is_full {
                continue;
            }
            if stops {
                return;
            }
            thread::park_timeout(self.idle_time());
        }
    }

    /// Writes one batch. Returns whether more may be queued.
    fn turn(&mut self, stops: bool) -> bool {
        let batch = self.receive();
        self.deliver_restored();
        let is_overflowed = self.note_overflow();
        if is_overflowed || self.bans.misses || self.events.misses {
            // The snapshot that is taken next contains them.
            self.miss(&batch.updates);
            if !batch.is_full {
                self.resynchronize();
            }
        } else if !batch.updates.is_empty() {
            self.write(&batch.updates);
        }
        let asks = !self.waiters.is_empty() || !self.reads.is_empty();
        self.write_events(asks || stops);
        self.maintain();
        self.publish();
        if !batch.is_full {
            for waiter in std::mem::take(&mut self.waiters) {
                let error = self.bans.error().or_else(|| self.events.error());
                let _ = waiter.try_send(error.map_or(Ok(()), Err));
            }
            for read in std::mem::take(&mut self.reads) {
                self.read(read);
            }
        }
        batch.is_full
    }

    fn receive(&mut self) -> Batch {
        let mut batch = Batch::default();
        while let Some(message) = self.received.update(&self.shared) {
            match message {
                Message::Update(update) => {
                    self.note_offense(&update);
                    batch.updates.push(update);
                }
                Message::Sync(waiter) => self.waiters.push(waiter),
                read @ Message::Read { .. } => self.reads.push(read),
            }
            batch.is_full = batch.updates.len() == MAX_UPDATES;
            if batch.is_full {
                break;
            }
        }
        while self.changes.len() < MAX_CHANGES
            && let Some(event) = self.received.event()
        {
            self.changes.push(EventChange::Event(event));
        }
        batch.is_full |= self.changes.len() >= MAX_CHANGES;
        batch
    }

    fn note_offense(&mut self, update: &BanUpdate) {
        match update {
            BanUpdate::Banned(ban) if ban.offenses > 0 => {
                self.changes.push(EventChange::Offense(OffenseHistory {
                    network: ban.network,
                    offenses: ban.offenses,
                    last: ban.until,
                }));
            }
            BanUpdate::Forgotten(network) => {
                // Events that were recorded before it are erased, too.
                while let Some(event) = self.received.event() {
                    self.changes.push(EventChange::Event(event));
                }
                self.changes.push(EventChange::Forgotten(*network));
                self.events_due = clock::monotonic();
            }
            _ => {}
        }
    }

    fn note_overflow(&mut self) -> bool {
        let dropped = self.shared.overflowed.swap(0, Ordering::AcqRel);
        if dropped > 0 {
            let event = StoreEvent::overflowed(clock::wall(), StorePart::Bans, dropped);
            self.bans.report(event);
            (self.bans.misses, self.events.misses) = (true, true);
        }
        dropped > 0
    }

    fn miss(&mut self, updates: &[BanUpdate]) {
        for update in updates {
            self.missed.note(update);
        }
    }

    fn write(&mut self, updates: &[BanUpdate]) {
        if self.bans.run(|file| file.write(updates)).is_none() {
            self.miss(updates);
        }
    }

    /// Opens the files whose next attempt is due.
    fn open_due(&mut self) {
        let now = clock::monotonic();
        let (bans, events) = (self.bans.is_due(now), self.events.is_due(now));
        if !bans && !events {
            return;
        }
        if self.lock.is_none() {
            match self.disk.lock() {
                Ok(lock) => self.lock = Some(lock),
                Err(error) => {
                    self.bans.fail(&error);
                    self.events.fail(&error);
                    return;
                }
            }
        }
        let mut rows = [None, None];
        if bans {
            rows[0] = self.bans.open(&self.options);
        }
        if events {
            rows[1] = self.events.open(&self.options);
        }
        for rows in rows.into_iter().flatten() {
            self.restore(rows);
        }
    }

    /// Keeps the rows of a file for the table of bans.
    fn restore(&self, mut rows: BanSnapshot) {
        self.missed.remove_from(&mut rows);
        let mut restored = lock(&self.shared.restored);
        let all = restored.get_or_insert_default();
        all.bans.append(&mut rows.bans);
        all.allows.append(&mut rows.allows);
        all.offenses.append(&mut rows.offenses);
    }

    /// Passes rows that the caller of the store did not take to the table of bans.
    fn deliver_restored(&self) {
        if let Some(source) = self.shared.source()
            && let Some(rows) = lock(&self.shared.restored).take()
        {
            source.restore_bans(rows);
        }
    }

    /// Writes all that is in force, if updates are missing in a file that works.
    fn resynchronize(&mut self) {
        let is_restored = lock(&self.shared.restored).is_none();
        let works = self.bans.file.is_some() || self.events.file.is_some();
        let Some(source) = self.shared.source().filter(|_| is_restored && works) else {
            return;
        };
        let snapshot = source.ban_snapshot();
        if self.bans.misses && self.bans.run(|file| file.replace(&snapshot)).is_some() {
            self.bans.misses = false;
            self.missed.clear_bans();
        }
        if self.events.misses && self.events.file.is_some() {
            let forgotten = self.missed.take_forgotten();
            let mut changes: Vec<_> = (forgotten.iter().copied())
                .map(EventChange::Forgotten)
                .collect();
            changes.append(&mut self.changes);
            let written = self.events.run(|file| {
                file.write(&changes)?;
                file.replace(&snapshot)
            });
            match written {
                Some(()) => self.events.misses = false,
                None => self.miss(
                    &forgotten
                        .into_iter()
                        .map(BanUpdate::Forgotten)
                        .collect::<Vec<_>>(),
                ),
            }
        }
    }

    /// Writes the changes of `events.redb` if they are due.
    fn write_events(&mut self, at_once: bool) {
        let now = clock::monotonic();
        let is_due = at_once || self.changes.len() >= MAX_CHANGES || now >= self.events_due;
        if is_due {
            self.events_due = now + EVENT_INTERVAL;
        }
        if !is_due || self.events.misses {
            return self.bound_changes();
        }
        if self.changes.is_empty() {
            return;
        }
        let changes = std::mem::take(&mut self.changes);
        if self.events.run(|file| file.write(&changes)).is_none() {
            self.changes = changes;
            self.bound_changes();
        }
    }

    /// Drops changes that the file cannot take: offenses are in the next snapshot, and forgotten networks
    /// are noted.
    fn bound_changes(&mut self) {
        if !self.events.misses {
            return;
        }
        let mut events = 0;
        for change in std::mem::take(&mut self.changes) {
            match change {
                EventChange::Event(_) => events += 1,
                EventChange::Offense(_) => {}
                EventChange::Forgotten(network) => {
                    self.missed.note(&BanUpdate::Forgotten(network));
                }
            }
        }
        self.shared
            .dropped_events
            .fetch_add(events, Ordering::Relaxed);
    }

    fn read(&mut self, message: Message) {
        let Message::Read {
            since,
            limit,
            reply,
        } = message
        else {
            return;
        };
        let events = self.events.run(|file| file.read(since, limit));
        let closed = || self.events.error().unwrap_or(StoreError::Closed);
        let _ = reply.try_send(events.ok_or_else(closed));
    }

    /// Deletes what has expired, once a minute, and rows of bans that the table evicted.
    fn maintain(&mut self) {
        let now = clock::monotonic();
        if now < self.maintenance_due {
            return;
        }
        self.maintenance_due = now + MAINTENANCE_INTERVAL;
        self.bans.check_path();
        self.events.check_path();
        self.bans.run(BanFile::purge);
        self.events.run(EventFile::purge);
        if self.bans.file.as_ref().is_some_and(BanFile::is_oversized) {
            self.bans.misses = true;
        }
        if self
            .events
            .file
            .as_ref()
            .is_some_and(EventFile::is_oversized)
        {
            self.events.misses = true;
        }
    }

    fn busy(&self, is_busy: bool) {
        let since = is_busy.then(clock::monotonic);
        lock(&self.shared.status).busy_since = since;
    }

    fn publish(&mut self) {
        self.bans.settle();
        self.events.settle();
        let mut parts = lock(&self.shared.status);
        parts.bans = self.bans.status.clone();
        parts.events = self.events.status.clone();
    }

    fn idle_time(&self) -> Duration {
        let attempts = [self.bans.next_attempt(), self.events.next_attempt()];
        let due = [self.events_due, self.maintenance_due];
        let next = attempts.into_iter().flatten().chain(due).min();
        let now = clock::monotonic();
        next.map_or(EVENT_INTERVAL, |next| next.saturating_duration_since(now))
    }
}
