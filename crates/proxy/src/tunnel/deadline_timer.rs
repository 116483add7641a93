//! A timer with a deadline that moves.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is reset only when it fires.
#[derive(Debug, Default)]
pub(super) struct DeadlineTimer(Option<Pin<Box<Sleep>>>);

// === impl DeadlineTimer ===

impl DeadlineTimer {
    /// Completes at `time`. A timer that fires earlier is set again: traffic postpones the deadline
    /// with each frame, which then costs no timer operation.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, time: Instant) -> Poll<()> {
        loop {
            let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(time)));
            if sleep.deadline() > time {
                sleep.as_mut().reset(time);
            }
            ready!(sleep.as_mut().poll(cx));
            let fired_at = sleep.deadline();
            self.0 = None;
            if fired_at >= time {
                return Poll::Ready(());
            }
        }
    }
}
