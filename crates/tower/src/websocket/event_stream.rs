//! An answer that goes on for as long as its client listens.

use std::task::{Context, Poll};

use gabion_core::{CloseReason, Mode};

use super::{SessionPermit, session_timer::SessionTimer};

/// The hold on an answer that is a stream of events: it ends where a WebSocket would. There are no
/// frames in it, so its end is the end of the body.
pub(crate) struct EventStream {
    permit: SessionPermit,
    timer: SessionTimer,
}

impl EventStream {
    pub(crate) fn new(permit: SessionPermit) -> Self {
        let timer = SessionTimer::default();
        Self { permit, timer }
    }

    /// Ready once the stream is to end.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let session = self.permit.session();
        // Before the session is looked at, so that an ending in between is not missed.
        session.reader.register(cx.waker());
        if let Some(time) = session.ends_at()
            && self.timer.poll(time, &self.permit).is_ready()
        {
            session.end(CloseReason::Restart);
        }
        let Some(close_reason) = session.close_reason() else {
            return Poll::Pending;
        };
        self.permit
            .sessions()
            .report(session, close_reason, Mode::Enforce);
        Poll::Ready(())
    }
}
