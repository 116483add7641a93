//! One direction of a tunnel.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, BytesMut};
use gabion_frames::{KeepAlive, encode::ControlFrame};
use hyper::{
    rt::{Read as _, ReadBuf, Write as _},
    upgrade::Upgraded,
};

use super::frame_tracker::FrameTracker;

/// The copy from one side of a tunnel to the other, with the bytes the receiver has not taken yet.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) frames: FrameTracker,
    /// At most one chunk, or a control frame. While it is not empty, nothing is read.
    pending: BytesMut,
    /// Set if bytes were written since the last flush.
    unflushed: bool,
    state: State,
    bytes_read: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The sender has ended, and the receiver's side is still to be shut down.
    ShuttingDown,
    Ended,
}

/// An I/O error with the side it occurred on.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// Reading from the sender failed.
    #[error("cannot read: {0}")]
    Read(#[source] io::Error),
    /// Writing to the receiver failed.
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
}

/// The bytes of one read. The buffer is on the stack, so that an idle direction holds none.
const READ_SIZE: usize = 8 * 1024;

/// The most reads of one poll, after which the other direction is polled.
const READS_PER_POLL: usize = 16;

// === impl Direction ===

impl Direction {
    pub(super) fn new(frames: FrameTracker) -> Self {
        Self {
            frames,
            pending: BytesMut::new(),
            unflushed: false,
            state: State::Open,
            bytes_read: 0,
        }
    }

    /// Returns the bytes read from the sender.
    pub(super) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Returns `true` until the sender has ended.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Returns `true` if the receiver has not taken all bytes, so that nothing is read.
    pub(super) fn is_stalled(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Returns `true` if a control frame may be inserted now.
    pub(super) fn at_frame_boundary(&self) -> bool {
        self.is_open() && !self.is_stalled() && self.frames.at_frame_boundary()
    }

    /// Queues a frame to be sent next.
    pub(super) fn queue_frame(&mut self, frame: &ControlFrame) {
        self.pending.extend_from_slice(frame.as_bytes());
    }

    /// Copies what the sender sends, without the pongs to `own_pings`. Completes after the sender's
    /// end was passed to the receiver.
    pub(super) fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Upgraded,
        to: &mut Upgraded,
        now: Duration,
        own_pings: Option<&KeepAlive>,
    ) -> Poll<Result<(), CopyError>> {
        for _ in 0..READS_PER_POLL {
            ready!(self.poll_write_pending(cx, to))?;
            match self.state {
                State::Open => ready!(self.poll_read(cx, from, to, now, own_pings))?,
                State::ShuttingDown => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(CopyError::Write)?;
                    self.state = State::Ended;
                }
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes the pending bytes.
    pub(super) fn poll_write_pending(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Upgraded,
    ) -> Poll<Result<(), CopyError>> {
        if self.pending.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let written = write_available(cx, to, &self.pending).map_err(CopyError::Write)?;
        self.pending.advance(written);
        if !self.pending.is_empty() {
            return Poll::Pending;
        }
        self.pending = BytesMut::new();
        self.unflushed = true;
        Poll::Ready(Ok(()))
    }

    /// Reads one chunk, writes it, and keeps what the receiver does not take.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Upgraded,
        to: &mut Upgraded,
        now: Duration,
        own_pings: Option<&KeepAlive>,
    ) -> Poll<Result<(), CopyError>> {
        let mut space = [MaybeUninit::uninit(); READ_SIZE];
        let mut buf = ReadBuf::uninit(&mut space);
        let polled = Pin::new(from).poll_read(cx, buf.unfilled());
        if polled.map_err(CopyError::Read)?.is_pending() {
            if self.unflushed {
                ready!(Pin::new(to).poll_flush(cx)).map_err(CopyError::Write)?;
                self.unflushed = false;
            }
            return Poll::Pending;
        }
        let chunk = buf.filled();
        if chunk.is_empty() {
            self.state = State::ShuttingDown;
            self.pending.extend_from_slice(&self.frames.take_held());
            return Poll::Ready(Ok(()));
        }
        self.bytes_read += chunk.len() as u64;
        let chunk = self.frames.filter(chunk, now, own_pings);
        let written = write_available(cx, to, &chunk).map_err(CopyError::Write)?;
        self.pending.extend_from_slice(&chunk[written..]);
        self.unflushed = true;
        Poll::Ready(Ok(()))
    }
}

/// Writes as much as the receiver takes now, and returns the number of bytes.
fn write_available(cx: &mut Context<'_>, to: &mut Upgraded, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match Pin::new(&mut *to).poll_write(cx, &bytes[written..])? {
            Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(count) => written += count,
            Poll::Pending => break,
        }
    }
    Ok(written)
}
