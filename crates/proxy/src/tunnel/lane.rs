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

use super::frames::Frames;

/// What passes from one side to the other, and what of it the other has not taken yet.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) frames: Frames,
    /// At most one piece, or a control frame: while there is any, nothing is read.
    unsent: BytesMut,
    /// Something was written since the last flush.
    unflushed: bool,
    state: State,
    read: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The one side has ended, and the other is still to be told.
    CloseReason,
    Ended,
}

/// Which side broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The one that sends.
    #[error("cannot read: {0}")]
    From(#[source] io::Error),
    /// The one that is sent to.
    #[error("cannot write: {0}")]
    To(#[source] io::Error),
}

/// How much is read at once. It lies on the stack, so that a lane that waits holds no buffer.
const AT_ONCE: usize = 8 * 1024;

/// How many pieces pass in one go before it is the other lane's turn.
const TURN: usize = 16;

// === impl Lane ===

impl Lane {
    pub(super) fn new(frames: Frames) -> Self {
        Self {
            frames,
            unsent: BytesMut::new(),
            unflushed: false,
            state: State::Open,
            read: 0,
        }
    }

    /// How many bytes the one side has sent.
    pub(super) const fn read(&self) -> u64 {
        self.read
    }

    /// The one side has not ended.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// The other side does not take what came, so that nothing is read.
    pub(super) fn is_stalled(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether a frame of ours may be put behind what has passed.
    pub(super) fn may_be_interrupted(&self) -> bool {
        self.is_open() && !self.is_stalled() && self.frames.may_be_interrupted()
    }

    /// Puts a frame behind what has passed.
    pub(super) fn put(&mut self, frame: &ControlFrame) {
        self.unsent.extend_from_slice(frame.as_bytes());
    }

    /// Passes on what comes, but for pongs that are `ours`. Ready once the end of the one side was
    /// passed on.
    pub(super) fn poll_pass(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Upgraded,
        to: &mut Upgraded,
        now: Duration,
        ours: Option<&KeepAlive>,
    ) -> Poll<Result<(), Broken>> {
        for _ in 0..TURN {
            ready!(self.poll_send(cx, to))?;
            match self.state {
                State::Open => ready!(self.poll_piece(cx, from, to, now, ours))?,
                State::CloseReason => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(Broken::To)?;
                    self.state = State::Ended;
                }
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what was kept.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Upgraded,
    ) -> Poll<Result<(), Broken>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let taken = give(cx, to, &self.unsent).map_err(Broken::To)?;
        self.unsent.advance(taken);
        if !self.unsent.is_empty() {
            return Poll::Pending;
        }
        self.unsent = BytesMut::new();
        self.unflushed = true;
        Poll::Ready(Ok(()))
    }

    /// Reads one piece, writes it, and keeps what is not taken.
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Upgraded,
        to: &mut Upgraded,
        now: Duration,
        ours: Option<&KeepAlive>,
    ) -> Poll<Result<(), Broken>> {
        let mut space = [MaybeUninit::uninit(); AT_ONCE];
        let mut read = ReadBuf::uninit(&mut space);
        let polled = Pin::new(from).poll_read(cx, read.unfilled());
        if polled.map_err(Broken::From)?.is_pending() {
            if self.unflushed {
                ready!(Pin::new(to).poll_flush(cx)).map_err(Broken::To)?;
                self.unflushed = false;
            }
            return Poll::Pending;
        }
        let piece = read.filled();
        if piece.is_empty() {
            self.state = State::CloseReason;
            self.unsent.extend_from_slice(&self.frames.end());
            return Poll::Ready(Ok(()));
        }
        self.read += piece.len() as u64;
        let piece = self.frames.pass(piece, now, ours);
        let taken = give(cx, to, &piece).map_err(Broken::To)?;
        self.unsent.extend_from_slice(&piece[taken..]);
        self.unflushed = true;
        Poll::Ready(Ok(()))
    }
}

/// Writes as much as the other side takes now; how much that was.
fn give(cx: &mut Context<'_>, to: &mut Upgraded, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match Pin::new(&mut *to).poll_write(cx, &bytes[taken..])? {
            Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(count) => taken += count,
            Poll::Pending => break,
        }
    }
    Ok(taken)
}
