//! What the follower tells the service.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use gabion_core::Framing;

/// The notes on one connection's heads that are not asked for yet, in order.
///
/// A head that said its length twice is the last that hyper takes from a connection, so a count of
/// those before it is the whole queue. One task reads and asks by turns: no order but its own is
/// needed.
#[derive(Debug, Default)]
pub(in crate::serve) struct FramingQueue {
    plain: AtomicUsize,
    has_both: AtomicBool,
    stopped: AtomicBool,
}

// === impl FramingQueue ===

impl FramingQueue {
    /// Notes the next head.
    pub(super) fn push(&self, framing: Framing) {
        match framing {
            Framing::AsShown => _ = self.plain.fetch_add(1, Relaxed),
            _ => self.has_both.store(true, Relaxed),
        }
    }

    /// The note on the next request. None is followed after one that is not as it was shown.
    pub(in crate::serve) fn pop(&self) -> Framing {
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

    /// Nothing is to be followed any more: the connection speaks something else.
    pub(in crate::serve) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }
}
