//! Sessions of responses that are streams of events.

use std::task::{Context, Poll};

use gabion_core::{CloseReason, Mode};

use super::{SessionPermit, session_timer::SessionTimer};

/// The session of a response that is a stream of events. It ends when a WebSocket would be closed.
/// There are no frames, so the response body ends without a close message.
pub(crate) struct EventStream {
    permit: SessionPermit,
    timer: SessionTimer,
}

impl EventStream {
    pub(crate) fn new(permit: SessionPermit) -> Self {
        let timer = SessionTimer::default();
        Self { permit, timer }
    }

    /// Ready once the stream must end.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let session = self.permit.session();
        // Registered before the session is checked, so that no close in between is missed.
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
            .engine()
            .report_session(session, close_reason, Mode::Enforce);
        Poll::Ready(())
    }
}
