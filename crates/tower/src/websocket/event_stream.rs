//! An answer that goes on for as long as its client listens.

use std::task::{Context, Poll};

use gabion_core::{CloseReason, Mode};

use super::{SessionPermit, alarm::Alarm};

/// The hold on an answer that is a stream of events: it ends where a WebSocket would. There are no
/// frames in it, so its end is the end of the body.
pub(crate) struct EventStream {
    permit: SessionPermit,
    alarm: Alarm,
}

impl EventStream {
    pub(crate) fn new(permit: SessionPermit) -> Self {
        let alarm = Alarm::default();
        Self { permit, alarm }
    }

    /// Ready once the stream is to end.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let session = self.permit.session();
        // Before the session is looked at, so that an ending in between is not missed.
        session.reader.register(cx.waker());
        if let Some(time) = session.ends_at()
            && self.alarm.poll(time, &self.permit).is_ready()
        {
            session.end(CloseReason::Restart);
        }
        let Some(ending) = session.ending() else {
            return Poll::Pending;
        };
        self.permit.sessions().tell(session, ending, Mode::Enforce);
        Poll::Ready(())
    }
}
