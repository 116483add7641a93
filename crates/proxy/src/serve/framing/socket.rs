//! A socket that is looked at as it is read.

use std::{
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Follower, Notes};
use crate::pieces::{Room, as_one};

/// A socket, and the follower of what is read from it.
#[derive(Debug)]
pub(in crate::serve) struct Followed<S> {
    /// What was read of the socket before.
    first: Vec<u8>,
    socket: S,
    follower: Follower,
}

// === impl Followed ===

impl<S> Followed<S> {
    pub(in crate::serve) fn new(first: Vec<u8>, socket: S, notes: Arc<Notes>) -> Self {
        let follower = Follower::new(notes);
        Self {
            first,
            socket,
            follower,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Followed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.first.is_empty() {
            ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        } else {
            let mut now = mem::take(&mut self.first);
            self.first = now.split_off(now.len().min(buf.remaining()));
            buf.put_slice(&now);
        }
        self.follower.see(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Followed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
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
        match as_one(slices, &mut [0; size_of::<Room>()]) {
            Some(whole) => Pin::new(&mut self.socket).poll_write(cx, whole),
            None => Pin::new(&mut self.socket).poll_write_vectored(cx, slices),
        }
    }
}
