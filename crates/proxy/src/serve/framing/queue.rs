//! The queue of framings between the tracker and the service.

use std::sync::{
    Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use gabion_core::{ConnectionLimit, Framing};

use super::RequestLine;

/// The framings of one connection's heads that the service has not taken yet, in order.
///
/// A head that states its length twice is the last that hyper accepts on a connection, so that a
/// counter of the heads before it is the whole queue. One task reads and takes in turn, so that
/// relaxed ordering suffices.
#[derive(Debug, Default)]
pub(in crate::serve) struct FramingQueue {
    plain: AtomicUsize,
    has_both: AtomicBool,
    stopped: AtomicBool,
    upgraded: AtomicBool,
    /// The number of requests that the service took.
    taken: AtomicUsize,
    limit: OnceLock<ConnectionLimit>,
    /// Locked once per head, and by one task only.
    line: Mutex<RequestLine>,
}

// === impl FramingQueue ===

impl FramingQueue {
    /// Adds the framing of the next head.
    pub(super) fn push(&self, framing: Framing) {
        match framing {
            Framing::AsShown => _ = self.plain.fetch_add(1, Relaxed),
            _ => self.has_both.store(true, Relaxed),
        }
    }

    /// Takes the framing of the next request. After one other than `AsShown`, nothing is tracked.
    pub(in crate::serve) fn pop(&self) -> Framing {
        self.taken.store(self.taken.load(Relaxed) + 1, Relaxed);
        let plain = self.plain.load(Relaxed);
        if self.is_stopped() {
            Framing::Unknown
        } else if plain > 0 {
            self.plain.store(plain - 1, Relaxed);
            Framing::AsShown
        } else {
            self.stop();
            if self.has_both.load(Relaxed) {
                Framing::Both
            } else {
                Framing::Unknown
            }
        }
    }

    /// Stops tracking: the connection speaks another protocol.
    pub(in crate::serve) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// Records that the connection left HTTP, and frees what only heads need.
    pub(in crate::serve) fn set_upgraded(&self) {
        self.upgraded.store(true, Relaxed);
        *self.line() = RequestLine::default();
    }

    pub(super) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Relaxed)
    }

    /// Records that the connection ends because it reached a limit.
    pub(in crate::serve) fn set_limit(&self, limit: ConnectionLimit) {
        // Of several, the first is the reason.
        let _ = self.limit.set(limit);
    }

    pub(in crate::serve) fn limit(&self) -> Option<ConnectionLimit> {
        self.limit.get().copied()
    }

    /// The first line of the head that follows the requests taken so far, as far as it was read. Empty if
    /// another head was read after it.
    pub(in crate::serve) fn refused_line(&self) -> Vec<u8> {
        self.line().of_head(self.taken.load(Relaxed)).to_vec()
    }

    pub(super) fn line(&self) -> MutexGuard<'_, RequestLine> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }
}
