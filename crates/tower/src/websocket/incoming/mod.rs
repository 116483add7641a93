//! The bytes that the client sends, inspected under the session's limits.

mod inspector;
mod limits;
mod meter;
mod pause;
mod queue;

use std::{
    io,
    mem::{self, MaybeUninit},
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
use pause::Pause;
use queue::{Output, Queue};

use super::SessionPermit;

/// Reads from the client and passes the bytes that may pass to the service.
pub(super) struct Incoming {
    inspector: FrameInspector,
    queue: Queue,
    /// Received bytes that are inspected after a pause.
    unread: Vec<u8>,
    pause: Pause,
    /// `true` once the client has ended its half.
    ended: bool,
}

/// The size of a read. The buffer is on the stack, so that an idle session holds none.
const READ_SIZE: usize = 8192;

impl Incoming {
    pub(super) fn new(limits: &SessionLimits, permit: &SessionPermit) -> Self {
        Self {
            inspector: FrameInspector::new(limits, permit),
            queue: Queue::default(),
            unread: Vec::new(),
            pause: Pause::default(),
            ended: false,
        }
    }

    /// Reads until bytes pass. Once the session is being closed, nothing more is read, and only
    /// approved bytes are handed out.
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
            ready!(self.pause.poll(cx));
            if !self.unread.is_empty() {
                let unread = mem::take(&mut self.unread);
                if self.inspect(&unread, Some(&mut buf), permit) {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let mut space = [MaybeUninit::uninit(); READ_SIZE];
            let max_len = READ_SIZE.min(buf.remaining());
            let mut read = ReadBuf::uninit(&mut space[..max_len]);
            ready!(Pin::new(&mut *stream).poll_read(cx, read.unfilled()))?;
            if read.filled().is_empty() {
                self.ended = max_len > 0;
                return Poll::Ready(Ok(()));
            }
            if self.inspect(read.filled(), Some(&mut buf), permit) {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Inspects received bytes, up to a pause. Returns `true` if any bytes pass.
    fn inspect(
        &mut self,
        mut bytes: &[u8],
        reader: Option<&mut ReadBufCursor<'_>>,
        permit: &SessionPermit,
    ) -> bool {
        let mut output = Output::new(reader, &mut self.queue);
        let inflated = self.inspector.inspect(&mut bytes, &mut output, permit);
        let is_used = output.is_used();
        self.unread = bytes.to_vec();
        self.pause.count(inflated, permit);
        is_used
    }

    /// Checks for received bytes that the service has not requested.
    pub(super) fn read_ahead(
        &mut self,
        stream: &mut Upgraded,
        now: Duration,
        permit: &SessionPermit,
    ) {
        if !self.queue.is_empty() || !self.unread.is_empty() {
            // The service does not read, or the session pauses; the client may be alive.
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
                self.inspect(read.filled(), None, permit);
                permit.session().reader.wake();
            }
            // The service's next read returns the end or the error.
            Poll::Ready(_) => self.stop_pings(),
        }
    }

    /// Returns `true` if the client has ended its half.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns `true` if further frames can explain the end of the session.
    pub(super) const fn expects_close_frame(&self) -> bool {
        self.inspector.expects_close_frame()
    }

    /// Returns the time at which the client's last byte was received.
    pub(super) const fn last_received(&self) -> Duration {
        self.inspector.last_received()
    }

    /// Stops pings, since the client or the service has ended.
    pub(super) const fn stop_pings(&mut self) {
        self.inspector.stop_pings();
    }

    /// Records that the client has ended, so that its end is diagnosed once.
    pub(super) const fn mark_ended(&mut self) {
        self.inspector.mark_ended();
    }

    /// Returns the next keep-alive action.
    pub(super) fn due(&self, now: Duration) -> Option<KeepAliveAction> {
        self.inspector.due(now)
    }

    /// Returns the ping that is due, to be sent now.
    pub(super) fn ping(&mut self, now: Duration) -> Option<ControlFrame> {
        self.inspector.ping(now)
    }

    /// Records that the client is alive, by another sign than received bytes.
    pub(super) fn record_activity(&mut self, now: Duration) {
        self.inspector.record_activity(now);
    }

    /// Returns the time by which the current message must be complete. Closes the session if it has
    /// passed.
    pub(super) fn deadline(&mut self, now: Duration, permit: &SessionPermit) -> Option<Duration> {
        if self.inspector.deadline()? <= now {
            self.inspector.check_deadline(now, permit);
        }
        self.inspector.deadline()
    }
}
