//! Waiting for a time.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Rouses a tunnel when it is time.
#[derive(Debug, Default)]
pub(super) struct DeadlineTimer(Option<Pin<Box<Sleep>>>);

// === impl DeadlineTimer ===

impl DeadlineTimer {
    /// Ready from `time` on. An alarm that goes off before stays, and is set anew then: traffic puts
    /// a time off with each frame, and no timer is touched.
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
