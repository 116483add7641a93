//! A socket whose input is scanned.

use std::{
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use gabion_core::ConnectionLimit;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{FramingQueue, FramingTracker};
use crate::{
    serve::{connections::Admission, head_memory::HeadShare, stall::SendStall},
    vectored::{COALESCE_SPACE, coalesce},
};

/// A socket that passes what is read from it to a [`FramingTracker`]. It fails if an incomplete head finds no
/// memory, and if it takes no bytes for too long while the connection speaks HTTP.
#[derive(Debug)]
pub(in crate::serve) struct TrackedSocket<S> {
    /// Bytes that were read from the socket during protocol detection.
    first_bytes: Vec<u8>,
    socket: S,
    tracker: FramingTracker,
    queue: Arc<FramingQueue>,
    send_stall: Option<SendStall>,
    head_share: Option<HeadShare>,
    /// Dropped with the socket, also after an upgrade.
    _admission: Option<Admission>,
}

// === impl TrackedSocket ===

impl<S> TrackedSocket<S> {
    pub(in crate::serve) fn new(first_bytes: Vec<u8>, socket: S, queue: Arc<FramingQueue>) -> Self {
        Self {
            first_bytes,
            socket,
            tracker: FramingTracker::new(Arc::clone(&queue)),
            queue,
            send_stall: None,
            head_share: None,
            _admission: None,
        }
    }

    /// Keeps the place of the connection until the socket is dropped.
    pub(in crate::serve) fn with_admission(self, admission: Option<Admission>) -> Self {
        Self {
            _admission: admission,
            ..self
        }
    }

    /// Lets an incomplete head take a part of what all heads may hold.
    pub(in crate::serve) fn with_head_share(self, share: HeadShare) -> Self {
        let head_share = Some(share);
        Self { head_share, ..self }
    }

    /// Sets the longest time in which the socket may take no bytes.
    pub(in crate::serve) fn with_send_timeout(self, limit: Duration) -> Self {
        let send_stall = Some(SendStall::new(limit));
        Self { send_stall, ..self }
    }

    /// Scans what was read, and counts the bytes of an incomplete head.
    fn scan(&mut self, read: &[u8]) -> io::Result<()> {
        if self.queue.is_upgraded() {
            self.head_share = None;
            return Ok(());
        }
        self.tracker.scan(read);
        let Some(share) = &mut self.head_share else {
            return Ok(());
        };
        let resized = share.resize(self.tracker.incomplete_head());
        if resized.is_err() {
            self.queue.set_limit(ConnectionLimit::HeadMemory);
        }
        resized
    }

    /// Passes on the result of a write or flush, unless it stalls. An upgraded connection has deadlines of its
    /// own.
    fn check_stall<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.send_stall {
            Some(stall) if !self.queue.is_upgraded() => stall.check(cx, result),
            _ => result,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TrackedSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.first_bytes.is_empty() {
            ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        } else {
            let mut now = mem::take(&mut self.first_bytes);
            self.first_bytes = now.split_off(now.len().min(buf.remaining()));
            buf.put_slice(&now);
            if self.first_bytes.is_empty() {
                // The rest usually arrived with them. After an error, the next read is the end.
                let _ = Pin::new(&mut self.socket).poll_read(cx, buf);
            }
        }
        let read = &buf.filled()[before..];
        Poll::Ready(self.scan(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TrackedSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.check_stall(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.check_stall(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut space = COALESCE_SPACE;
        let written = match coalesce(slices, &mut ReadBuf::uninit(&mut space)) {
            Some(whole) => Pin::new(&mut self.socket).poll_write(cx, whole),
            None => Pin::new(&mut self.socket).poll_write_vectored(cx, slices),
        };
        self.check_stall(cx, written)
    }
}
