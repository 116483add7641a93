//! The end of connections whose client takes no bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// The time since a socket last took bytes, while some wait to be sent.
#[derive(Debug)]
pub(super) struct SendStall {
    limit: Duration,
    /// Allocated when a socket takes no bytes, so that other connections have no timer.
    timer: Option<Pin<Box<Sleep>>>,
}

// === impl SendStall ===

impl SendStall {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    /// Passes on the result of a write or flush. One that has been pending for longer than the limit is an
    /// error.
    pub(super) fn check<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.timer = None;
            return result;
        }
        let timer = || Box::pin(sleep(self.limit));
        ready!(self.timer.get_or_insert_with(timer).as_mut().poll(cx));
        let what = "the client took no bytes within the send timeout";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)))
    }
}
