//! The queue of changes to publish, and the state that callers see.

use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gabion_core::{BanSource, BanUpdate, LimitCounts};
use ipnet::IpNet;
use tokio::sync::{Notify, mpsc};

use super::{SharedState, SharedStatus, change::Change};
use crate::writer::lock;

/// The ends of bans and exemptions that found the queue full and are kept nevertheless.
const MAX_ENDED: usize = 65_536;

/// The side of the callers. Nothing in it waits for Redis.
pub(super) struct Intake {
    sender: mpsc::Sender<Change>,
    queued: AtomicUsize,
    dropped: AtomicU64,
    /// Set when changes were dropped that Redis does not have.
    overflowed: AtomicBool,
    /// Lifts and the like that found the queue full, which the table of bans does not show.
    ended: Mutex<HashMap<IpNet, Change>>,
    source: Mutex<Option<Weak<dyn BanSource>>>,
    counts: Mutex<Option<Weak<dyn LimitCounts>>>,
    counts_attached: Notify,
    status: Mutex<SharedStatus>,
    changed: Condvar,
    stops: AtomicBool,
    stopped: Notify,
}

// === impl Intake ===

impl Intake {
    pub(super) fn new(capacity: usize) -> (Self, mpsc::Receiver<Change>) {
        let (sender, receiver) = mpsc::channel(capacity);
        let intake = Self {
            sender,
            queued: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            overflowed: AtomicBool::new(false),
            ended: Mutex::default(),
            source: Mutex::new(None),
            counts: Mutex::new(None),
            counts_attached: Notify::new(),
            status: Mutex::default(),
            changed: Condvar::new(),
            stops: AtomicBool::new(false),
            stopped: Notify::new(),
        };
        (intake, receiver)
    }

    /// Queues a change, or counts it.
    pub(super) fn push(&self, update: BanUpdate) {
        let change = Change::now(update);
        self.queued.fetch_add(1, Ordering::Relaxed);
        let Err(error) = self.sender.try_send(change) else {
            return;
        };
        self.queued.fetch_sub(1, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        let change = error.into_inner();
        let network = change.update.network();
        let mut ended = lock(&self.ended);
        match change.update {
            // The table of bans has it.
            BanUpdate::Banned(_) | BanUpdate::Allowed(_) => _ = ended.remove(&network),
            _ if ended.len() < MAX_ENDED => _ = ended.insert(network, change),
            _ => {}
        }
        drop(ended);
        self.overflowed.store(true, Ordering::Release);
    }

    pub(super) fn note_taken(&self, changes: usize) {
        self.queued.fetch_sub(changes, Ordering::Relaxed);
    }

    /// Returns the ends among the changes that were dropped since the last call; `None` if none was dropped.
    pub(super) fn take_overflow(&self) -> Option<Vec<Change>> {
        let overflowed = self.overflowed.swap(false, Ordering::AcqRel);
        overflowed.then(|| {
            std::mem::take(&mut *lock(&self.ended))
                .into_values()
                .collect()
        })
    }

    /// Notes that dropped changes are not published yet.
    pub(super) fn set_overflowed(&self, ended: Vec<Change>) {
        let ended = ended
            .into_iter()
            .map(|change| (change.update.network(), change));
        lock(&self.ended).extend(ended);
        self.overflowed.store(true, Ordering::Release);
    }

    pub(super) fn attach(&self, source: Weak<dyn BanSource>) {
        *lock(&self.source) = Some(source);
    }

    pub(super) fn source(&self) -> Option<Arc<dyn BanSource>> {
        lock(&self.source).as_ref()?.upgrade()
    }

    pub(super) fn attach_counts(&self, counts: Weak<dyn LimitCounts>) {
        *lock(&self.counts) = Some(counts);
        self.counts_attached.notify_one();
    }

    /// Returns when [`Self::attach_counts`] was called. For one task.
    pub(super) async fn counts_attached(&self) {
        while lock(&self.counts).is_none() {
            self.counts_attached.notified().await;
        }
    }

    pub(super) fn counts(&self) -> Option<Arc<dyn LimitCounts>> {
        lock(&self.counts).as_ref()?.upgrade()
    }

    /// Changes the state that callers see.
    pub(super) fn set(&self, change: impl FnOnce(&mut SharedStatus)) {
        change(&mut lock(&self.status));
        self.changed.notify_all();
    }

    pub(super) fn status(&self) -> SharedStatus {
        SharedStatus {
            queued: self.queued.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            uncounted: self.counts().map_or(0, |counts| counts.uncounted()),
            ..lock(&self.status).clone()
        }
    }

    pub(super) fn wait_ready(&self, timeout: Duration) -> bool {
        self.wait(timeout, |status| status.loads > 0)
    }

    pub(super) fn wait_ended(&self, timeout: Duration) -> bool {
        self.wait(timeout, |status| status.state == SharedState::Closed)
    }

    fn wait(&self, timeout: Duration, condition: impl Fn(&SharedStatus) -> bool) -> bool {
        let status = lock(&self.status);
        let waiting = |status: &mut SharedStatus| !condition(status);
        match self.changed.wait_timeout_while(status, timeout, waiting) {
            Ok((_, result)) => !result.timed_out(),
            Err(_) => false,
        }
    }

    pub(super) fn stop(&self) {
        self.stops.store(true, Ordering::Release);
        self.stopped.notify_waiters();
    }

    /// Returns when [`Self::stop`] was called.
    pub(super) async fn stopped(&self) {
        loop {
            // Before the check, so that no call in between is missed.
            let stopped = self.stopped.notified();
            if self.stops.load(Ordering::Acquire) {
                return;
            }
            stopped.await;
        }
    }
}
