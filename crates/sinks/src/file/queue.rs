//! The lines that wait for the thread that writes them.

use std::{
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A queue of lines, bounded in bytes. All lines are in one buffer: a line costs a copy and no allocation.
#[derive(Debug)]
pub(super) struct LineQueue {
    max_bytes: usize,
    state: Mutex<State>,
    /// The writer waits for lines.
    filled: Condvar,
    /// A caller of [`LineQueue::flush_within`] waits for the writer.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// Lines that found no room, or that could not be written, since the last report.
    lost: u64,
    /// `true` while the writer has lines that it has not written.
    is_writing: bool,
    is_flushing: bool,
    is_closed: bool,
}

/// The next step of the writer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Write the lines in the buffer.
    Write,
    /// Look after the file: a time has passed.
    Idle,
    /// Stop: the queue is closed and empty.
    Stop,
}

// === impl LineQueue ===

impl LineQueue {
    /// The time that the first line waits for others: fewer, larger writes, and a wake-up of the writer for one line
    /// in this time.
    const LINGER: Duration = Duration::from_millis(50);

    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            state: Mutex::default(),
            filled: Condvar::new(),
            written: Condvar::new(),
        }
    }

    /// Queues a line or drops it; never waits for the writer.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        let (before, after) = (state.lines.len(), state.lines.len() + line.len());
        if after > self.max_bytes {
            state.lost += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        drop(state);
        let half = self.max_bytes / 2;
        if before == 0 || before < half && after >= half {
            self.filled.notify_one();
        }
    }

    /// Waits for lines, for `limit` at most, and swaps them with those in `batch`, which were written.
    pub(super) fn next_batch(&self, batch: &mut Vec<u8>, limit: Duration) -> Work {
        let mut state = self.lock();
        state.is_writing = false;
        self.written.notify_all();
        let is_empty = |state: &mut State| state.lines.is_empty() && !state.is_closed;
        let woken = self.filled.wait_timeout_while(state, limit, is_empty);
        state = woken.unwrap_or_else(PoisonError::into_inner).0;
        if state.lines.is_empty() {
            return if state.is_closed {
                Work::Stop
            } else {
                Work::Idle
            };
        }
        let half = self.max_bytes / 2;
        let may_linger =
            |state: &mut State| state.lines.len() < half && !state.is_flushing && !state.is_closed;
        let woken = (self.filled).wait_timeout_while(state, Self::LINGER, may_linger);
        state = woken.unwrap_or_else(PoisonError::into_inner).0;
        batch.clear();
        mem::swap(&mut state.lines, batch);
        state.is_writing = true;
        Work::Write
    }

    /// Adds lines that could not be written to the lost ones.
    pub(super) fn add_lost(&self, lines: u64) {
        self.lock().lost += lines;
    }

    /// Returns `true` if lines were lost since the last report.
    pub(super) fn has_lost(&self) -> bool {
        self.lock().lost > 0
    }

    /// Takes the number of lost lines for a report, if there is room for it.
    pub(super) fn take_lost(&self) -> u64 {
        let mut state = self.lock();
        if state.lines.len() > self.max_bytes / 2 {
            return 0;
        }
        mem::take(&mut state.lost)
    }

    /// Waits until the queued lines are written, for `limit` at most.
    pub(super) fn flush_within(&self, limit: Duration) {
        let mut state = self.lock();
        state.is_flushing = true;
        self.filled.notify_all();
        let is_busy = |state: &mut State| state.is_writing || !state.lines.is_empty();
        let woken = self.written.wait_timeout_while(state, limit, is_busy);
        woken.unwrap_or_else(PoisonError::into_inner).0.is_flushing = false;
    }

    /// Lets the writer stop once the queued lines are written.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    /// Locks the queue. It is never locked while lines are written.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
