//! The IO type behind the service's upgraded stream.

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

use super::{SessionPermit, session_io::SessionIo};

/// Supplies the internal upgrade request, discards its response, and then forwards between client
/// and service.
pub(super) struct Tap {
    stage: Stage,
    permit: SessionPermit,
}

#[expect(
    clippy::large_enum_variant,
    reason = "the largest variant is the usual one"
)]
enum Stage {
    /// The rest of the internal request, which hyper reads.
    Canned {
        request: &'static [u8],
        real: OnUpgrade,
    },
    /// The server hands over the stream once it has sent its response.
    Promised(OnUpgrade),
    Open(SessionIo),
    Ended,
}

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nhost: tap\r\nconnection: upgrade\r\nupgrade: tap\r\n\r\n";

impl Tap {
    pub(super) const fn new(real: OnUpgrade, permit: SessionPermit) -> Self {
        let request = REQUEST;
        let stage = Stage::Canned { request, real };
        Self { stage, permit }
    }

    /// Returns `true` while hyper serves the internal request.
    fn is_canned(&mut self) -> bool {
        if let Stage::Canned { real, .. } = &self.stage
            && self.permit.session().is_installed()
        {
            self.stage = Stage::Promised(real.clone());
        }
        matches!(self.stage, Stage::Canned { .. })
    }

    /// Ready with the open stream, or with `None` once it has ended.
    fn poll_open(&mut self) -> Poll<io::Result<Option<(&mut SessionIo, &SessionPermit)>>> {
        let Self { stage, permit } = self;
        if let Stage::Promised(real) = stage {
            let session = permit.session();
            match ready!(session.with_both_wakers(|cx| Pin::new(real).poll(cx))) {
                Ok(stream) => *stage = Stage::Open(SessionIo::new(stream, permit)),
                Err(error) => {
                    *stage = Stage::Ended;
                    return Poll::Ready(Err(io::Error::other(error)));
                }
            }
        }
        if let Stage::Open(session_io) = stage
            && session_io.poll_end(permit).is_ready()
        {
            *stage = Stage::Ended;
            // The other half waits for bytes that will not come.
            permit.session().wake_both();
        }
        Poll::Ready(Ok(match stage {
            Stage::Open(session_io) => Some((session_io, permit)),
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
            // A read of zero bytes means the end of the stream, which has not ended.
            return if now.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(Ok(()))
            };
        }
        // Registered before the session is checked, so that no close in between is missed.
        tap.permit.session().reader.register(cx.waker());
        match ready!(tap.poll_open())? {
            Some((session_io, permit)) => session_io.poll_read(cx, buf, permit),
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
        tap.permit.session().writer.register(cx.waker());
        match ready!(tap.poll_open())? {
            Some((session_io, permit)) => session_io.poll_write(cx, bufs, permit),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stage {
            Stage::Open(session_io) => session_io.poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        if tap.is_canned() {
            return Poll::Ready(Ok(()));
        }
        tap.permit.session().writer.register(cx.waker());
        match ready!(tap.poll_open())? {
            Some((session_io, permit)) => session_io.poll_shutdown(cx, permit),
            None => Poll::Ready(Ok(())),
        }
    }
}
