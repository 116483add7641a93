//! The open stream of a session.

mod closing;

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use gabion_core::{CloseReason, Mode};
use hyper::{
    rt::{Read as _, ReadBufCursor, Write as _},
    upgrade::Upgraded,
};

use super::{
    SessionPermit,
    incoming::Incoming,
    outgoing::{FramePosition, Outgoing},
    session_timer::SessionTimer,
};
use closing::Closing;

/// The stream between client and service, with the frame boundaries of both directions.
pub(super) struct SessionIo {
    pub(super) stream: Upgraded,
    pub(super) outgoing: Outgoing,
    /// The inspection of the client's bytes. `None` without limits.
    pub(super) incoming: Option<Incoming>,
    pub(super) timer: SessionTimer,
    /// The time of the last ping that was injected.
    pub(super) last_ping: Option<Duration>,
    closing: Option<Box<Closing>>,
}

// === impl SessionIo ===

impl SessionIo {
    pub(super) fn new(stream: Upgraded, permit: &SessionPermit) -> Self {
        let session = permit.session();
        Self {
            stream,
            outgoing: Outgoing::new(session),
            incoming: session.limits().map(|limits| Incoming::new(limits, permit)),
            timer: SessionTimer::default(),
            last_ping: None,
            closing: None,
        }
    }

    /// Ready once the session was closed and all steps of closing are done.
    pub(super) fn poll_end(&mut self, permit: &SessionPermit) -> Poll<()> {
        let session = permit.session();
        if let Some(time) = session.ends_at()
            && time <= permit.now()
        {
            session.end(CloseReason::Restart);
        }
        let Some(close_reason) = session.close_reason() else {
            return Poll::Pending;
        };
        let mut closing = self.closing.take().unwrap_or_else(|| {
            permit
                .engine()
                .report_session(session, close_reason, Mode::Enforce);
            permit.diagnose_close_reason(close_reason);
            Box::new(Closing::new(close_reason, permit))
        });
        let done = closing.poll(self, permit);
        self.closing = Some(closing);
        done
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
        permit: &SessionPermit,
    ) -> Poll<io::Result<()>> {
        let polled = match &mut self.incoming {
            Some(incoming) => incoming.poll_read(&mut self.stream, cx, buf, permit),
            _ if self.closing.is_some() => Poll::Pending,
            None => Pin::new(&mut self.stream).poll_read(cx, buf),
        };
        let ended = matches!(&self.incoming, Some(incoming) if incoming.has_ended());
        if ended || matches!(polled, Poll::Ready(Err(_))) {
            self.record_end(permit);
        }
        if polled.is_pending() && self.closing.is_none() {
            self.run_timers(permit);
        }
        polled
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        permit: &SessionPermit,
    ) -> Poll<io::Result<usize>> {
        if self.closing.is_some() {
            return self.poll_last_frame(cx, bufs, permit);
        }
        match self.poll_injected(permit)? {
            Poll::Ready(()) => {}
            Poll::Pending => return self.on_write_blocked(permit),
        }
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Ready(Ok(count)) => {
                self.outgoing.observe(bufs, count, permit);
                self.on_write_progress(permit);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => {
                self.record_end(permit);
                Poll::Ready(Err(error))
            }
            Poll::Pending => self.on_write_blocked(permit),
        }
    }

    /// Lets the service finish its current frame, but start no other.
    fn poll_last_frame(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        permit: &SessionPermit,
    ) -> Poll<io::Result<usize>> {
        let FramePosition::Inside(missing) = self.outgoing.position() else {
            return Poll::Pending;
        };
        let buf = bufs.iter().find(|buf| !buf.is_empty());
        let buf = buf.map_or(&[][..], |buf| &buf[..buf.len().min(missing)]);
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.outgoing.observe(&[IoSlice::new(buf)], count, permit);
        permit.session().wake_both();
        Poll::Ready(Ok(count))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    pub(super) fn poll_shutdown(
        &mut self,
        cx: &mut Context<'_>,
        permit: &SessionPermit,
    ) -> Poll<io::Result<()>> {
        if self.closing.is_some() {
            return Poll::Pending;
        }
        ready!(self.poll_injected(permit))?;
        self.outgoing.set_ended();
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Sends the rest of an injected frame.
    pub(super) fn poll_injected(&mut self, permit: &SessionPermit) -> Poll<io::Result<()>> {
        self.outgoing.poll_injected(&mut self.stream, permit)
    }

    /// Reads and discards the client's bytes. Ready at the end of the stream.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut space = [MaybeUninit::uninit(); 4096];
            let mut read = hyper::rt::ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, read.unfilled()))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
