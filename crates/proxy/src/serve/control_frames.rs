//! The end of HTTP/2 connections that send more control frames than their requests need.
//!
//! h2 acts on each frame, and answers each SETTINGS and PING, however many there are; it limits only those that
//! open, reset or fill streams (RFC 9113, 10.5).

use std::{
    convert::Infallible,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use gabion_core::ConnectionLimit;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{detect::PREFACE, framing::FramingQueue};

/// A socket that fails if the frames read from it exceed a [`ControlFrameBudget`].
#[derive(Debug)]
pub(super) struct ControlFrameGuard<S> {
    socket: S,
    received: FrameScanner,
    sent: FrameScanner,
    budget: ControlFrameBudget,
    queue: Arc<FramingQueue>,
}

/// The control frames that a client may send.
///
/// A client may answer each frame of a response: with updates of two windows, and with a ping that measures the
/// bandwidth. Beyond that it needs few.
#[derive(Debug)]
struct ControlFrameBudget {
    left: u32,
    refilled: Instant,
}

/// Finds the frames of one direction (RFC 9113, 4.1).
#[derive(Debug)]
struct FrameScanner {
    /// The bytes to skip: those of a payload, or of the preface.
    skip: usize,
    head: [u8; FrameHead::LENGTH],
    /// The bytes of the head that were read.
    read: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FrameHead {
    length: usize,
    kind: u8,
    flags: u8,
}

// === impl ControlFrameGuard ===

impl<S> ControlFrameGuard<S> {
    /// Wraps a socket from which the connection preface is read first.
    pub(super) fn new(socket: S, queue: Arc<FramingQueue>) -> Self {
        Self {
            socket,
            received: FrameScanner::after(PREFACE.len()),
            sent: FrameScanner::after(0),
            budget: ControlFrameBudget::new(),
            queue,
        }
    }

    fn scan_received(&mut self, bytes: &[u8]) -> io::Result<()> {
        let budget = &mut self.budget;
        let scanned = self.received.scan(bytes, |frame| budget.receive(frame));
        if scanned.is_err() {
            self.queue.set_limit(ConnectionLimit::ControlFrames);
        }
        scanned
    }

    fn scan_sent(&mut self, bytes: &[u8]) {
        let budget = &mut self.budget;
        let Ok(()) = self.sent.scan(bytes, |frame| {
            budget.send(frame);
            Ok::<_, Infallible>(())
        });
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ControlFrameGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        Poll::Ready(self.scan_received(&buf.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ControlFrameGuard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes))?;
        self.scan_sent(&bytes[..written]);
        Poll::Ready(Ok(written))
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
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, slices))?;
        let mut left = written;
        for slice in slices {
            let taken = slice.len().min(left);
            self.scan_sent(&slice[..taken]);
            left -= taken;
        }
        Poll::Ready(Ok(written))
    }
}

// === impl ControlFrameBudget ===

impl ControlFrameBudget {
    /// The most control frames at once.
    const MOST: u32 = 1_024;
    /// For each request, such as a priority, a window update and a reset.
    const PER_REQUEST: u32 = 4;
    /// For each frame of a response, and for each KiB of it: few clients update windows more often.
    const PER_RESPONSE_FRAME: u32 = 8;
    /// The time in which one more may be sent.
    const INTERVAL: Duration = Duration::from_millis(100);

    fn new() -> Self {
        Self {
            left: Self::MOST,
            refilled: Instant::now(),
        }
    }

    fn receive(&mut self, frame: FrameHead) -> io::Result<()> {
        match frame.kind {
            FrameHead::HEADERS => self.add(Self::PER_REQUEST),
            FrameHead::DATA if frame.length > 0 || frame.flags & FrameHead::END_STREAM != 0 => {}
            _ => {
                if self.left == 0 {
                    self.refill();
                }
                let what = "the client sent more control frames than its requests need";
                let left = self.left.checked_sub(1);
                self.left = left.ok_or_else(|| io::Error::other(what))?;
            }
        }
        Ok(())
    }

    fn send(&mut self, frame: FrameHead) {
        if matches!(frame.kind, FrameHead::HEADERS | FrameHead::DATA) {
            let kibibytes = u32::try_from(frame.length / 1024).unwrap_or(Self::MOST);
            self.add(Self::PER_RESPONSE_FRAME + kibibytes);
        }
    }

    /// Adds what the time since the last refill allows. The clock is read only when nothing is left.
    fn refill(&mut self) {
        let intervals = self.refilled.elapsed().as_millis() / Self::INTERVAL.as_millis();
        let intervals = u32::try_from(intervals).unwrap_or(Self::MOST);
        self.refilled += Self::INTERVAL * intervals;
        self.add(intervals);
    }

    fn add(&mut self, frames: u32) {
        self.left = (self.left + frames).min(Self::MOST);
    }
}

// === impl FrameScanner ===

impl FrameScanner {
    const fn after(skip: usize) -> Self {
        Self {
            skip,
            head: [0; FrameHead::LENGTH],
            read: 0,
        }
    }

    /// Passes the head of each frame in the next bytes to `visit`, until that fails.
    fn scan<E>(
        &mut self,
        mut bytes: &[u8],
        mut visit: impl FnMut(FrameHead) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return Ok(());
            }
            let taken = bytes.len().min(FrameHead::LENGTH - self.read);
            self.head[self.read..][..taken].copy_from_slice(&bytes[..taken]);
            self.read += taken;
            bytes = &bytes[taken..];
            if self.read == FrameHead::LENGTH {
                let head = FrameHead::from_bytes(self.head);
                self.read = 0;
                self.skip = head.length;
                visit(head)?;
            }
        }
    }
}

// === impl FrameHead ===

impl FrameHead {
    const LENGTH: usize = 9;
    // Frame types (RFC 9113, 6). All others are control frames, also the unknown ones.
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const END_STREAM: u8 = 1;

    const fn from_bytes([high, middle, low, kind, flags, _, _, _, _]: [u8; Self::LENGTH]) -> Self {
        Self {
            length: u32::from_be_bytes([0, high, middle, low]) as usize,
            kind,
            flags,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn frame(length: usize, kind: u8, flags: u8) -> Vec<u8> {
        let [_, size @ ..] = u32::try_from(length).unwrap().to_be_bytes();
        let mut bytes = [&size[..], &[kind, flags, 0, 0, 0, 1]].concat();
        // Bytes that would be another head.
        bytes.resize(FrameHead::LENGTH + length, kind);
        bytes
    }

    proptest! {
        #[test]
        fn frames_are_found_in_any_pieces(
            frames in vec((0..40_usize, any::<u8>(), any::<u8>()), 0..20),
            pieces in vec(1..30_usize, 1..40),
        ) {
            let mut bytes = PREFACE.to_vec();
            for &(length, kind, flags) in &frames {
                bytes.extend(frame(length, kind, flags));
            }
            let mut scanner = FrameScanner::after(PREFACE.len());
            let mut found = Vec::new();
            let mut rest = &bytes[..];
            for piece in pieces.iter().cycle() {
                let (now, later) = rest.split_at((*piece).min(rest.len()));
                let visit = |frame: FrameHead| {
                    found.push((frame.length, frame.kind, frame.flags));
                    Ok::<_, Infallible>(())
                };
                let Ok(()) = scanner.scan(now, visit);
                if later.is_empty() {
                    break;
                }
                rest = later;
            }
            prop_assert_eq!(found, frames);
        }
    }

    const PING: FrameHead = FrameHead {
        length: 8,
        kind: 6,
        flags: 0,
    };
    const END: FrameHead = FrameHead {
        length: 0,
        kind: FrameHead::DATA,
        flags: FrameHead::END_STREAM,
    };
    const RESPONSE: FrameHead = FrameHead {
        length: 16_384,
        kind: FrameHead::DATA,
        flags: 0,
    };

    #[tokio::test(start_paused = true)]
    async fn budget_refills_with_time_and_with_each_exchange() {
        let mut budget = ControlFrameBudget::new();
        let spend = |budget: &mut ControlFrameBudget| {
            (0..9_999)
                .take_while(|_| budget.receive(PING).is_ok())
                .count()
        };
        assert_eq!(spend(&mut budget), 1_024);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(spend(&mut budget), 20);
        budget.send(RESPONSE);
        assert_eq!(spend(&mut budget), 24);
        let request = FrameHead {
            kind: FrameHead::HEADERS,
            ..PING
        };
        budget.receive(request).unwrap();
        budget.receive(END).unwrap();
        assert_eq!(spend(&mut budget), 4);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(spend(&mut budget), 1_024);
    }
}
