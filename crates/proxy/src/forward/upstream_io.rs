//! The byte stream to the upstream, with detection of an HTTP/2-only server.

use std::{
    error::Error,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

use crate::{
    upstream::UpstreamStream,
    vectored::{COALESCE_SPACE, coalesce},
};

/// A stream to the upstream that checks the first bytes it reads.
///
/// A server that supports HTTP/2 only sends its SETTINGS frame right after the connection is
/// accepted (RFC 9113, 3.4), which an HTTP/1 parser reports only as invalid.
pub(super) struct UpstreamIo {
    stream: UpstreamStream,
    awaits_first_read: bool,
}

/// The error of an upstream that supports HTTP/2 only.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("its first bytes are HTTP/2 SETTINGS")]
pub(super) struct OnlyHttp2;

// === impl UpstreamIo ===

impl UpstreamIo {
    pub(super) const fn new(stream: UpstreamStream) -> Self {
        let awaits_first_read = true;
        Self {
            stream,
            awaits_first_read,
        }
    }

    /// Reads and checks the first bytes.
    fn poll_first(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::uninit(); 4096];
        let limit = space.len().min(buf.remaining());
        let mut read = ReadBuf::uninit(&mut space[..limit]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, read.unfilled()))?;
        self.awaits_first_read = false;
        if is_settings(read.filled()) {
            return Poll::Ready(Err(io::Error::other(OnlyHttp2)));
        }
        buf.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl Read for UpstreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.awaits_first_read {
            return self.poll_first(cx, &mut buf);
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for UpstreamIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut space = COALESCE_SPACE;
        match coalesce(slices, &mut tokio::io::ReadBuf::uninit(&mut space)) {
            Some(whole) => Pin::new(&mut self.stream).poll_write(cx, whole),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        }
    }
}

/// Matches the header of a SETTINGS frame (RFC 9113, 4.1 and 6.5) on stream 0 that is not an
/// acknowledgement.
const fn is_settings(first: &[u8]) -> bool {
    matches!(first, [0, _, _, 4, 0, 0, 0, 0, 0, ..])
}

/// Returns `true` if the error is [`OnlyHttp2`] inside an I/O error.
pub(super) fn is_only_http2(error: &(dyn Error + 'static)) -> bool {
    let io: Option<&io::Error> = error.downcast_ref();
    let inner = io.and_then(io::Error::get_ref);
    inner
        .and_then(|inner| inner.downcast_ref::<OnlyHttp2>())
        .is_some()
}
