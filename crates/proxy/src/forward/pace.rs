//! The pace at which a client sends a body.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep_until};

/// The time that an upload has waited for its client.
///
/// A wait of more than the patience is a stall. All waits together may take the patience, and one second
/// for each [`Self::BYTES_PER_SECOND`] that arrived: a client that sends a byte now and then would hold its
/// connections for as long as it likes. The time that the upstream takes is not counted.
#[derive(Debug)]
pub(super) struct Pace {
    patience: Duration,
    /// The bytes that arrived.
    received: u64,
    /// The time of the earlier waits.
    waited: Duration,
    /// The beginning of this wait, and a timer for its end. Allocated when a body is waited for.
    wait: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// The reason why a client is too slow, with the patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooSlow {
    /// Fewer bytes arrived than the minimum rate demands.
    Rate(Duration),
    /// No byte arrived.
    Stall(Duration),
}

// === impl Pace ===

impl Pace {
    /// The slowest upload: a twentieth of what a phone in poor reception sends.
    const BYTES_PER_SECOND: u64 = 500;

    pub(super) const fn new(patience: Duration) -> Self {
        Self {
            patience,
            received: 0,
            waited: Duration::ZERO,
            wait: None,
        }
    }

    /// Takes the result of a poll of the body into account.
    ///
    /// # Errors
    ///
    /// Fails if the client is too slow.
    pub(super) fn check<E>(
        &mut self,
        cx: &mut Context<'_>,
        polled: &Poll<Option<Result<Frame<Bytes>, E>>>,
    ) -> Result<(), TooSlow> {
        if let Poll::Ready(frame) = polled {
            if let Some((began, _)) = self.wait.take() {
                self.waited += began.elapsed();
            }
            if let Some(Ok(frame)) = frame {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.received += bytes as u64;
            }
            return Ok(());
        }
        let left = self.left();
        let (_, timer) = self.wait.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + left.min(self.patience))))
        });
        match timer.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) if left < self.patience => Err(TooSlow::Rate(self.patience)),
            Poll::Ready(()) => Err(TooSlow::Stall(self.patience)),
        }
    }

    /// The time that waits may still take.
    fn left(&self) -> Duration {
        let granted = Duration::from_secs(self.received / Self::BYTES_PER_SECOND);
        (self.patience + granted).saturating_sub(self.waited)
    }
}
