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
    socket: S,
    /// `None` after an upgrade, so that an idle WebSocket does not hold it.
    http: Option<Box<HttpState>>,
    /// Dropped with the socket, also after an upgrade.
    _admission: Option<Admission>,
}

/// The state of a connection that speaks HTTP.
#[derive(Debug)]
struct HttpState {
    /// Bytes that were read from the socket during protocol detection.
    first_bytes: Vec<u8>,
    tracker: FramingTracker,
    queue: Arc<FramingQueue>,
    send_stall: Option<SendStall>,
    head_share: Option<HeadShare>,
}

// === impl TrackedSocket ===

impl<S> TrackedSocket<S> {
    pub(in crate::serve) fn new(first_bytes: Vec<u8>, socket: S, queue: Arc<FramingQueue>) -> Self {
        let http = HttpState {
            first_bytes,
            tracker: FramingTracker::new(Arc::clone(&queue)),
            queue,
            send_stall: None,
            head_share: None,
        };
        Self {
            socket,
            http: Some(Box::new(http)),
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
    pub(in crate::serve) fn with_head_share(mut self, share: HeadShare) -> Self {
        if let Some(http) = &mut self.http {
            http.head_share = Some(share);
        }
        self
    }

    /// Sets the longest time in which the socket may take no bytes.
    pub(in crate::serve) fn with_send_timeout(mut self, limit: Duration) -> Self {
        if let Some(http) = &mut self.http {
            http.send_stall = Some(SendStall::new(limit));
        }
        self
    }

    /// Returns the state of HTTP, or frees it if the connection left HTTP.
    fn http(&mut self) -> Option<&mut HttpState> {
        let is_over = |http: &HttpState| http.queue.is_upgraded() && http.first_bytes.is_empty();
        if self.http.as_deref().is_some_and(is_over) {
            self.http = None;
        }
        self.http.as_deref_mut()
    }

    /// Passes on the result of a write or flush, unless it stalls. An upgraded connection has deadlines of its
    /// own.
    fn check_stall<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match self.http().and_then(|http| http.send_stall.as_mut()) {
            Some(stall) => stall.check(cx, result),
            None => result,
        }
    }
}

// === impl HttpState ===

impl HttpState {
    /// Scans what was read, and counts the bytes of an incomplete head.
    fn scan(&mut self, read: &[u8]) -> io::Result<()> {
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
}

impl<S: AsyncRead + Unpin> AsyncRead for TrackedSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let socket = &mut *self;
        match &mut socket.http {
            Some(http) if !http.first_bytes.is_empty() => {
                let mut now = mem::take(&mut http.first_bytes);
                http.first_bytes = now.split_off(now.len().min(buf.remaining()));
                buf.put_slice(&now);
                if http.first_bytes.is_empty() {
                    // The rest usually arrived with them. After an error, the next read is the end.
                    let _ = Pin::new(&mut socket.socket).poll_read(cx, buf);
                }
            }
            _ => ready!(Pin::new(&mut socket.socket).poll_read(cx, buf))?,
        }
        let read = &buf.filled()[before..];
        Poll::Ready(socket.http().map_or(Ok(()), |http| http.scan(read)))
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn an_upgraded_socket_does_not_hold_the_state_of_http() {
        let (mut client, server) = tokio::io::duplex(64);
        let queue = Arc::<FramingQueue>::default();
        let mut socket = TrackedSocket::new(b"GET".to_vec(), server, Arc::clone(&queue));
        client.write_all(b" /").await.unwrap();
        let mut read = [0; 8];
        assert_eq!(socket.read(&mut read).await.unwrap(), 5);
        socket.write_all(b"HTTP/1.1 101 ").await.unwrap();
        assert!(socket.http.is_some());

        queue.set_upgraded();
        socket.write_all(b"Switching Protocols").await.unwrap();
        assert!(socket.http.is_none());
        assert_eq!(Arc::strong_count(&queue), 1);
        client.write_all(b"\x81\x00").await.unwrap();
        assert_eq!(socket.read(&mut read).await.unwrap(), 2);
    }
}
