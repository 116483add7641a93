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
use queue::{Output, Queue};

use super::SessionPermit;

/// Gives the service what may pass.
pub(super) struct Incoming {
    inspector: FrameInspector,
    queue: Queue,
    /// The client's half has.
    ended: bool,
}

/// How much is read at once. It lies on the stack, so that a session that waits holds no buffer.
const READ_SIZE: usize = 8192;

impl Incoming {
    pub(super) fn new(limits: &SessionLimits, permit: &SessionPermit) -> Self {
        Self {
            inspector: FrameInspector::new(limits, permit),
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
            self.queue.write_to(&mut buf);
            return Poll::Ready(Ok(()));
        }
        while permit.session().close_reason().is_none() {
            let mut space = [MaybeUninit::uninit(); READ_SIZE];
            let max_len = READ_SIZE.min(buf.remaining());
            let mut read = ReadBuf::uninit(&mut space[..max_len]);
            ready!(Pin::new(&mut *stream).poll_read(cx, read.unfilled()))?;
            if read.filled().is_empty() {
                self.ended = max_len > 0;
                return Poll::Ready(Ok(()));
            }
            let mut output = Output::new(Some(&mut buf), &mut self.queue);
            self.inspector.inspect(read.filled(), &mut output, permit);
            if output.has_output() {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Looks whether something has come that the service has not asked for.
    pub(super) fn read_ahead(
        &mut self,
        stream: &mut Upgraded,
        now: Duration,
        permit: &SessionPermit,
    ) {
        if !self.queue.is_empty() {
            // It is the service that waits.
            return self.inspector.record_activity(now);
        }
        let mut space = [MaybeUninit::uninit(); READ_SIZE];
        let mut read = ReadBuf::uninit(&mut space);
        let polled = permit
            .session()
            .with_both_wakers(|cx| Pin::new(stream).poll_read(cx, read.unfilled()));
        match polled {
            Poll::Pending => {}
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                let mut output = Output::new(None, &mut self.queue);
                self.inspector.inspect(read.filled(), &mut output, permit);
                permit.session().reader.wake();
            }
            // The service reads of it by itself.
            Poll::Ready(_) => self.stop_pings(),
        }
    }

    /// Whether the client has ended its half.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether frames can come that would say why.
    pub(super) const fn expects_close_frame(&self) -> bool {
        self.inspector.expects_close_frame()
    }

    /// When the client was heard last.
    pub(super) const fn last_received(&self) -> Duration {
        self.inspector.last_received()
    }

    /// The client has ended, or the service has, so that there is nobody to keep the socket open for.
    pub(super) const fn stop_pings(&mut self) {
        self.inspector.stop_pings();
    }

    /// The client has ended, and need not be asked why again.
    pub(super) const fn mark_ended(&mut self) {
        self.inspector.mark_ended();
    }

    /// What is to be done to keep the socket open.
    pub(super) fn due(&self, now: Duration) -> Option<KeepAliveAction> {
        self.inspector.due(now)
    }

    /// The ping that is due, sent now.
    pub(super) fn ping(&mut self, now: Duration) -> Option<ControlFrame> {
        self.inspector.ping(now)
    }

    /// The client is there, by another sign than what it sends.
    pub(super) fn record_activity(&mut self, now: Duration) {
        self.inspector.record_activity(now);
    }

    /// When the message at hand must be whole. Finds out one that is not.
    pub(super) fn deadline(&mut self, now: Duration, permit: &SessionPermit) -> Option<Duration> {
        if self.inspector.deadline()? <= now {
            self.inspector.check_deadline(now, permit);
        }
        self.inspector.deadline()
    }
}
