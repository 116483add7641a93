//! What the client sends, held to the terms of its policy.

mod inspector;
mod limits;
mod meter;
mod queue;

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use gabion_core::SessionLimits;
use gabion_frames::{KeepAliveAction, encode::ControlFrame};
use hyper::{
    rt::{Read as _, ReadBuf, ReadBufCursor},
    upgrade::Upgraded,
};
use inspector::FrameInspector;
use queue::{Queue, Way};

use super::SessionPermit;

/// Gives the service what may pass.
pub(super) struct Incoming {
    reading: FrameInspector,
    queue: Queue,
    /// The client's half has.
    ended: bool,
}

/// How much is read at once. It lies on the stack, so that a session that waits holds no buffer.
const AT_ONCE: usize = 8192;

impl Incoming {
    pub(super) fn new(session_limits: &SessionLimits, permit: &SessionPermit) -> Self {
        Self {
            reading: FrameInspector::new(session_limits, permit),
            queue: Queue::default(),
            ended: false,
        }
    }

    /// Nothing more is read once the session is to end, and what has passed by then is handed out.
    pub(super) fn poll_read(
        &mut self,
        stream: &mut Upgraded,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
        permit: &SessionPermit,
    ) -> Poll<io::Result<()>> {
        if !self.queue.is_empty() {
            self.queue.pour(&mut buf);
            return Poll::Ready(Ok(()));
        }
        while permit.session().ending().is_none() {
            let mut space = [MaybeUninit::uninit(); AT_ONCE];
            let most = AT_ONCE.min(buf.remaining());
            let mut read = ReadBuf::uninit(&mut space[..most]);
            ready!(Pin::new(&mut *stream).poll_read(cx, read.unfilled()))?;
            if read.filled().is_empty() {
                self.ended = most > 0;
                return Poll::Ready(Ok(()));
            }
            let mut way = Way::new(Some(&mut buf), &mut self.queue);
            self.reading.watch(read.filled(), &mut way, permit);
            if way.is_used() {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Looks whether something has come that the service has not asked for.
    pub(super) fn look(&mut self, stream: &mut Upgraded, now: Duration, permit: &SessionPermit) {
        if !self.queue.is_empty() {
            // It is the service that waits.
            return self.reading.heard(now);
        }
        let mut space = [MaybeUninit::uninit(); AT_ONCE];
        let mut read = ReadBuf::uninit(&mut space);
        let polled = permit
            .session()
            .for_both(|cx| Pin::new(stream).poll_read(cx, read.unfilled()));
        match polled {
            Poll::Pending => {}
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                let mut way = Way::new(None, &mut self.queue);
                self.reading.watch(read.filled(), &mut way, permit);
                permit.session().reader.wake();
            }
            // The service reads of it by itself.
            Poll::Ready(_) => self.end(),
        }
    }

    /// Whether the client has ended its half.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether frames can come that would say why.
    pub(super) const fn is_open(&self) -> bool {
        self.reading.is_open()
    }

    /// When the client was heard last.
    pub(super) const fn heard_at(&self) -> Duration {
        self.reading.heard_at()
    }

    /// The client has ended, or the service has, so that there is nobody to keep the socket open for.
    pub(super) const fn end(&mut self) {
        self.reading.stop();
    }

    /// The client has ended, and need not be asked why again.
    pub(super) const fn close(&mut self) {
        self.reading.close();
    }

    /// What is to be done to keep the socket open.
    pub(super) fn due(&self, now: Duration) -> Option<KeepAliveAction> {
        self.reading.due(now)
    }

    /// The ping that is due, sent now.
    pub(super) fn ping(&mut self, now: Duration) -> Option<ControlFrame> {
        self.reading.ping(now)
    }

    /// The client is there, by another sign than what it sends.
    pub(super) fn heard(&mut self, now: Duration) {
        self.reading.heard(now);
    }

    /// When the message at hand must be whole. Finds out one that is not.
    pub(super) fn deadline(&mut self, now: Duration, permit: &SessionPermit) -> Option<Duration> {
        if self.reading.deadline()? <= now {
            self.reading.overdue(now, permit);
        }
        self.reading.deadline()
    }
}
