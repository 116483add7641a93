//! The stream once it is open.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use gabion_core::{Ending, Mode};
use hyper::{
    rt::{Read as _, ReadBufCursor, Write as _},
    upgrade::Upgraded,
};

use super::{
    Seat,
    alarm::Alarm,
    closing::Closing,
    incoming::Incoming,
    outgoing::{Outgoing, Place},
};

/// What passes, as it came, and where frames end in it.
pub(super) struct Watched {
    pub(super) stream: Upgraded,
    pub(super) outgoing: Outgoing,
    /// What the client sends, where it is held to anything.
    pub(super) incoming: Option<Incoming>,
    pub(super) alarm: Alarm,
    /// When we have pinged the client last.
    pub(super) pinged: Option<Duration>,
    closing: Option<Box<Closing>>,
}

// === impl Watched ===

impl Watched {
    pub(super) fn new(stream: Upgraded, seat: &Seat) -> Self {
        let session = seat.session();
        Self {
            stream,
            outgoing: Outgoing::new(session),
            incoming: session.terms().map(|terms| Incoming::new(terms, seat)),
            alarm: Alarm::default(),
            pinged: None,
            closing: None,
        }
    }

    /// Ready once the session was ended from outside and all was done about it.
    pub(super) fn poll_end(&mut self, seat: &Seat) -> Poll<()> {
        let session = seat.session();
        if let Some(time) = session.ends_at()
            && time <= seat.sessions().now()
        {
            session.end(Ending::Restart);
        }
        let Some(ending) = session.ending() else {
            return Poll::Pending;
        };
        let mut closing = self.closing.take().unwrap_or_else(|| {
            seat.sessions().tell(session, ending, Mode::Enforce);
            seat.sessions().diagnose_end(session, ending);
            Box::new(Closing::new(ending, seat.sessions()))
        });
        let done = closing.poll(self, seat);
        self.closing = Some(closing);
        done
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
        seat: &Seat,
    ) -> Poll<io::Result<()>> {
        let polled = match &mut self.incoming {
            Some(incoming) => incoming.poll_read(&mut self.stream, cx, buf, seat),
            _ if self.closing.is_some() => Poll::Pending,
            None => Pin::new(&mut self.stream).poll_read(cx, buf),
        };
        let ended = matches!(&self.incoming, Some(incoming) if incoming.has_ended());
        if ended || matches!(polled, Poll::Ready(Err(_))) {
            self.learn(seat);
        }
        if polled.is_pending() && self.closing.is_none() {
            self.keep(seat);
        }
        polled
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        seat: &Seat,
    ) -> Poll<io::Result<usize>> {
        if self.closing.is_some() {
            return self.poll_last_frame(cx, bufs, seat);
        }
        match self.poll_own(seat)? {
            Poll::Ready(()) => {}
            Poll::Pending => return self.stall(seat),
        }
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Ready(Ok(count)) => {
                self.outgoing.follow(bufs, count, seat);
                self.resume(seat);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => {
                self.learn(seat);
                Poll::Ready(Err(error))
            }
            Poll::Pending => self.stall(seat),
        }
    }

    /// The frame at hand may be finished, and no other begun.
    fn poll_last_frame(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        seat: &Seat,
    ) -> Poll<io::Result<usize>> {
        let Place::Inside(missing) = self.outgoing.place() else {
            return Poll::Pending;
        };
        let buf = bufs.iter().find(|buf| !buf.is_empty());
        let buf = buf.map_or(&[][..], |buf| &buf[..buf.len().min(missing)]);
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.outgoing.follow(&[IoSlice::new(buf)], count, seat);
        seat.session().rouse();
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
        seat: &Seat,
    ) -> Poll<io::Result<()>> {
        if self.closing.is_some() {
            return Poll::Pending;
        }
        ready!(self.poll_own(seat))?;
        self.outgoing.end();
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Sends what is left of a frame of ours.
    pub(super) fn poll_own(&mut self, seat: &Seat) -> Poll<io::Result<()>> {
        self.outgoing.poll_own(&mut self.stream, seat)
    }

    /// Reads what the client sends and lets it fall; ready when it sends no more.
    pub(super) fn poll_drop(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
