//! An answer that goes on for as long as its client listens.

use std::task::{Context, Poll};

use gabion_core::{Ending, Mode};

use super::{Seat, alarm::Alarm};

/// The hold on an answer that is a stream of events: it ends where a WebSocket would. There are no
/// frames in it, so its end is the end of the body.
pub(crate) struct Stream {
    seat: Seat,
    alarm: Alarm,
}

impl Stream {
    pub(crate) fn new(seat: Seat) -> Self {
        let alarm = Alarm::default();
        Self { seat, alarm }
    }

    /// Ready once the stream is to end.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let session = self.seat.session();
        // Before the session is looked at, so that an ending in between is not missed.
        session.reader.register(cx.waker());
        if let Some(time) = session.ends_at()
            && self.alarm.poll(time, &self.seat).is_ready()
        {
            session.end(Ending::Restart);
        }
        let Some(ending) = session.ending() else {
            return Poll::Pending;
        };
        self.seat.sessions().tell(session, ending, Mode::Enforce);
        Poll::Ready(())
    }
}
