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

/// What passes from one side to the other, and what of it the other has not taken yet.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) frames: FrameTracker,
    /// At most one piece, or a control frame: while there is any, nothing is read.
    pending: BytesMut,
    /// Something was written since the last flush.
    unflushed: bool,
    state: State,
    bytes_read: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The one side has ended, and the other is still to be told.
    ShuttingDown,
    UpstreamEnd,
}

/// Which side broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// The one that sends.
    #[error("cannot read: {0}")]
    Read(#[source] io::Error),
    /// The one that is sent to.
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
}

/// How much is read at once. It lies on the stack, so that a lane that waits holds no buffer.
const READ_SIZE: usize = 8 * 1024;

/// How many pieces pass in one go before it is the other lane's turn.
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

    /// How many bytes the one side has sent.
    pub(super) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The one side has not ended.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// The other side does not take what came, so that nothing is read.
    pub(super) fn is_stalled(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether a frame of ours may be put behind what has passed.
    pub(super) fn at_frame_boundary(&self) -> bool {
        self.is_open() && !self.is_stalled() && self.frames.at_frame_boundary()
    }

    /// Puts a frame behind what has passed.
    pub(super) fn queue_frame(&mut self, frame: &ControlFrame) {
        self.pending.extend_from_slice(frame.as_bytes());
    }

    /// Passes on what comes, but for pongs that are `own_pings`. Ready once the end of the one side was
    /// passed on.
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
                    self.state = State::UpstreamEnd;
                }
                State::UpstreamEnd => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what was kept.
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

    /// Reads one piece, writes it, and keeps what is not taken.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Upgraded,
        to: &mut Upgraded,
        now: Duration,
        own_pings: Option<&KeepAlive>,
    ) -> Poll<Result<(), CopyError>> {
        let mut space = [MaybeUninit::uninit(); READ_SIZE];
        let mut bytes_read = ReadBuf::uninit(&mut space);
        let polled = Pin::new(from).poll_read(cx, bytes_read.unfilled());
        if polled.map_err(CopyError::Read)?.is_pending() {
            if self.unflushed {
                ready!(Pin::new(to).poll_flush(cx)).map_err(CopyError::Write)?;
                self.unflushed = false;
            }
            return Poll::Pending;
        }
        let chunk = bytes_read.filled();
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

/// Writes as much as the other side takes now; how much that was.
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
