//! The IO that the service's stream is made of.

use std::{
    future::Future as _,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::{
    rt::{Read, ReadBufCursor, Write},
    upgrade::OnUpgrade,
};

use super::{Seat, watched::Watched};

/// Plays a request, swallows the answer, and then is the stream between client and service.
pub(super) struct Tap {
    stage: Stage,
    seat: Seat,
}

#[expect(
    clippy::large_enum_variant,
    reason = "it is open for nearly all of its life"
)]
enum Stage {
    /// What is left of the canned request, which hyper reads.
    Canned {
        request: &'static [u8],
        real: OnUpgrade,
    },
    /// The server will hand the stream over once its answer is on the way.
    Promised(OnUpgrade),
    Open(Watched),
    Over,
}

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nhost: tap\r\nconnection: upgrade\r\nupgrade: tap\r\n\r\n";

impl Tap {
    pub(super) const fn new(real: OnUpgrade, seat: Seat) -> Self {
        let request = REQUEST;
        let stage = Stage::Canned { request, real };
        Self { stage, seat }
    }

    /// Whether hyper still serves the canned request.
    fn is_canned(&mut self) -> bool {
        if let Stage::Canned { real, .. } = &self.stage
            && self.seat.session().is_fitted()
        {
            self.stage = Stage::Promised(real.clone());
        }
        matches!(self.stage, Stage::Canned { .. })
    }

    /// The stream, once there is one; none once it is over.
    fn poll_open(&mut self) -> Poll<io::Result<Option<(&mut Watched, &Seat)>>> {
        let Self { stage, seat } = self;
        if let Stage::Promised(real) = stage {
            let session = seat.session();
            match ready!(session.for_both(|cx| Pin::new(real).poll(cx))) {
                Ok(stream) => *stage = Stage::Open(Watched::new(stream, seat)),
                Err(error) => {
                    *stage = Stage::Over;
                    return Poll::Ready(Err(io::Error::other(error)));
                }
            }
        }
        if let Stage::Open(watched) = stage
            && watched.poll_end(seat).is_ready()
        {
            *stage = Stage::Over;
            // Whoever waits at the other half has nothing to wait for.
            seat.session().rouse();
        }
        Poll::Ready(Ok(match stage {
            Stage::Open(watched) => Some((watched, seat)),
            _ => None,
        }))
    }
}

impl Read for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        if tap.is_canned() {
            let Stage::Canned { request, .. } = &mut tap.stage else {
                return Poll::Pending;
            };
            let most = request.len().min(buf.remaining());
            let (now, later) = request.split_at(most);
            *request = later;
            buf.put_slice(now);
            // An empty read would be the end; there is none.
            return if now.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(Ok(()))
            };
        }
        // Registered before the session is looked at, so that an ending in between is not missed.
        tap.seat.session().reader.register(cx.waker());
        match ready!(tap.poll_open())? {
            Some((watched, seat)) => watched.poll_read(cx, buf, seat),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Write for Tap {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tap = self.get_mut();
        if tap.is_canned() {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        tap.seat.session().writer.register(cx.waker());
        match ready!(tap.poll_open())? {
            Some((watched, seat)) => watched.poll_write(cx, bufs, seat),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stage {
            Stage::Open(watched) => watched.poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        if tap.is_canned() {
            return Poll::Ready(Ok(()));
        }
        tap.seat.session().writer.register(cx.waker());
        match ready!(tap.poll_open())? {
            Some((watched, seat)) => watched.poll_shutdown(cx, seat),
            None => Poll::Ready(Ok(())),
        }
    }
}
