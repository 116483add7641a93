//! One direction of a tunnel.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, BytesMut};
use hyper::{
    rt::{Read as _, ReadBuf, Write as _},
    upgrade::Upgraded,
};

use super::frames::Frames;

/// What passes from one side to the other, and what of it the other has not taken yet.
#[derive(Debug)]
pub(super) struct Lane {
    frames: Frames,
    /// At most one piece: while there is any, nothing is read.
    unsent: BytesMut,
    /// Something was written since the last flush.
    unflushed: bool,
    state: State,
    passed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The one side has ended, and the other is still to be told.
    Ending,
    Ended,
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
            passed: 0,
        }
    }

    /// How many bytes have passed.
    pub(super) const fn passed(&self) -> u64 {
        self.passed
    }

    /// Passes on what comes. Ready once the end of the one side was passed on.
    pub(super) fn poll_pass(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Upgraded,
        to: &mut Upgraded,
        now: Duration,
    ) -> Poll<io::Result<()>> {
        for _ in 0..TURN {
            ready!(self.poll_send(cx, to))?;
            match self.state {
                State::Open => ready!(self.poll_piece(cx, from, to, now))?,
                State::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Ended;
                }
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what was kept.
    fn poll_send(&mut self, cx: &mut Context<'_>, to: &mut Upgraded) -> Poll<io::Result<()>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let taken = give(cx, to, &self.unsent)?;
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
    ) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::uninit(); AT_ONCE];
        let mut read = ReadBuf::uninit(&mut space);
        let polled = Pin::new(from).poll_read(cx, read.unfilled())?;
        if polled.is_pending() {
            if self.unflushed {
                ready!(Pin::new(to).poll_flush(cx))?;
                self.unflushed = false;
            }
            return Poll::Pending;
        }
        let piece = read.filled();
        if piece.is_empty() {
            self.state = State::Ending;
        }
        self.passed += piece.len() as u64;
        self.frames.follow(piece, now);
        let taken = give(cx, to, piece)?;
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
