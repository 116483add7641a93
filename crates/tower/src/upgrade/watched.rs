//! The stream once it is open, and what is seen of it.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use gabion_frames::{Depth, Limits, Observer, Role, Seen};
use hyper::{
    rt::{Read as _, ReadBufCursor, Write as _},
    upgrade::Upgraded,
};

use super::{Seat, Session, closing::Closing};

/// What passes, as it came, and where frames end in it.
pub(super) struct Watched {
    pub(super) stream: Upgraded,
    pub(super) outgoing: Outgoing,
    closing: Option<Box<Closing>>,
}

/// What the service sends. It is not judged; it is followed, so as to know where a close may stand.
pub(super) struct Outgoing {
    observer: Observer,
    state: OutgoingState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OutgoingState {
    Followed,
    /// What was sent are no frames that the observer knows.
    Lost,
    /// It has sent its close, or has shut its half down.
    Ended,
}

/// Where the service is in what it sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between two frames.
    Boundary,
    /// So many bytes at least are missing to the end of a frame.
    Inside(usize),
    /// Behind its last frame.
    Ended,
    Unknown,
}

// === impl Watched ===

impl Watched {
    pub(super) fn new(stream: Upgraded, session: &Session) -> Self {
        Self {
            stream,
            outgoing: Outgoing::new(session),
            closing: None,
        }
    }

    /// Ready once the session was ended from outside and all was done about it.
    pub(super) fn poll_end(&mut self, seat: &Seat) -> Poll<()> {
        let Some(ending) = seat.session().ending() else {
            return Poll::Pending;
        };
        let mut closing = self.closing.take().unwrap_or_else(|| {
            seat.sessions().tell(seat.session(), ending);
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
        _seat: &Seat,
    ) -> Poll<io::Result<()>> {
        if self.closing.is_some() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        seat: &Seat,
    ) -> Poll<io::Result<usize>> {
        if self.closing.is_none() {
            let count = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
            self.outgoing.follow(bufs, count, seat);
            return Poll::Ready(Ok(count));
        }
        // The frame at hand may be finished, and no other begun.
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

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_some() {
            return Poll::Pending;
        }
        self.outgoing.state = OutgoingState::Ended;
        Pin::new(&mut self.stream).poll_shutdown(cx)
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

// === impl Outgoing ===

impl Outgoing {
    fn new(session: &Session) -> Self {
        let no_limits = Limits::new()
            .with_max_frame(u64::MAX)
            .with_max_message(u64::MAX)
            .with_max_fragments(u32::MAX)
            .with_message_time(std::time::Duration::MAX);
        let negotiated = session.negotiated();
        let limits = Arc::new(no_limits);
        Self {
            observer: Observer::new(Role::Server, limits, negotiated, Depth::Headers),
            state: OutgoingState::Followed,
        }
    }

    /// The first `count` bytes of `bufs` are on their way.
    fn follow(&mut self, bufs: &[IoSlice<'_>], mut count: usize, seat: &Seat) {
        let now = seat.sessions().now();
        for buf in bufs {
            let mut bytes = &buf[..buf.len().min(count)];
            count -= bytes.len();
            while self.state == OutgoingState::Followed {
                match self.observer.watch(&mut bytes, now) {
                    Ok(None) => break,
                    Ok(Some(step)) => {
                        if let Some(Seen::Close { .. }) = step.seen {
                            self.state = OutgoingState::Ended;
                        }
                    }
                    Err(_) => self.state = OutgoingState::Lost,
                }
            }
        }
    }

    pub(super) fn place(&self) -> Place {
        match (self.state, self.observer.boundary()) {
            (OutgoingState::Ended, _) => Place::Ended,
            (OutgoingState::Lost, _) => Place::Unknown,
            (OutgoingState::Followed, Some(0)) => Place::Boundary,
            (OutgoingState::Followed, Some(missing)) => {
                Place::Inside(usize::try_from(missing).unwrap_or(usize::MAX))
            }
            // Inside of a head at least one byte is missing.
            (OutgoingState::Followed, None) => Place::Inside(1),
        }
    }
}
