//! Copying between the two sides of a tunnel.

use std::{
    borrow::Cow,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use gabion_core::Diagnosis;
use gabion_frames::{CloseCode, KeepAlive, KeepAliveAction, Role, encode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout},
};

use super::{
    TunnelConfig, TunnelContext,
    deadline_timer::DeadlineTimer,
    direction::{CopyError, Direction},
    frame_tracker::FrameTracker,
    pings,
    upstream_end::UpstreamEnd,
};
use crate::{access_log::OpenTunnel, capacity::Place, event_sink::Requester, upstream::Lease};

/// A copy in both directions between client and upstream, with pings to the upstream and diagnoses
/// of its end.
#[derive(Debug)]
pub(super) struct BidirectionalCopy {
    client: Upgraded,
    upstream: Upgraded,
    upload: Direction,
    download: Direction,
    opened: Instant,
    upstream_read_failed: bool,
    /// Since `opened`, the time of the last transfer between this proxy and the upstream, or of a
    /// side's end.
    last_transfer: Duration,
    pings: Option<KeepAlive>,
    timer: DeadlineTimer,
    /// Diagnoses that were reported, so that each is reported once.
    reported: Reported,
    requester: Option<Requester>,
    context: Arc<TunnelContext>,
    _place: (Place, Option<Lease>),
    _logged: Option<OpenTunnel>,
}

/// The diagnoses of this tunnel that were reported.
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    /// The end of the upstream's side.
    ended: bool,
    /// A tunnel of which only one side has ended.
    half_open: bool,
}

/// The result of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TunnelEnd {
    /// Both sides have ended.
    Closed,
    /// The upstream answered neither of two pings.
    Unresponsive,
}

/// The idle time after which a half-open tunnel is reported.
const HALF_OPEN_TIMEOUT: Duration = Duration::from_mins(1);

/// The time a client may take to read a close frame and close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

// === impl BidirectionalCopy ===

impl BidirectionalCopy {
    pub(super) fn new(
        client: Upgraded,
        upstream: Upgraded,
        context: Arc<TunnelContext>,
        config: TunnelConfig,
    ) -> Self {
        let frames = |role| FrameTracker::new(role, Arc::clone(&context.limits), config.negotiated);
        Self {
            client,
            upstream,
            upload: Direction::new(frames(Role::Client)),
            download: Direction::new(frames(Role::Server)),
            opened: Instant::now(),
            upstream_read_failed: false,
            last_transfer: Duration::ZERO,
            pings: config.ping.and_then(pings::keep_alive),
            timer: DeadlineTimer::default(),
            reported: Reported::default(),
            requester: config.requester,
            context,
            _place: config.place,
            _logged: config.logged,
        }
    }

    /// Runs until both sides have ended, one fails, or the upstream is unresponsive.
    pub(super) async fn run(&mut self) -> Result<TunnelEnd, CopyError> {
        let end = poll_fn(|cx| self.poll(cx)).await?;
        if end == TunnelEnd::Unresponsive {
            // Boxed, so that a tunnel's future does not reserve space for it. A client that does
            // not close in time is dropped.
            let _ = Box::pin(timeout(CLOSE_TIMEOUT, self.close_client())).await;
        }
        Ok(end)
    }

    /// Returns the bytes read from the client and from the upstream.
    pub(super) const fn bytes_read(&self) -> (u64, u64) {
        (self.upload.bytes_read(), self.download.bytes_read())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<TunnelEnd, CopyError>> {
        loop {
            let now = self.opened.elapsed();
            let were_open = self.open_sides();
            let polled = self.poll_copy(cx, now);
            self.report_end(now);
            if were_open != self.open_sides() {
                self.last_transfer = now;
            }
            if polled?.is_ready() {
                return Poll::Ready(Ok(TunnelEnd::Closed));
            }
            let can_ping = accepts_pings(&self.upload, &self.download);
            let Some(pings) = self.pings.as_mut().filter(|_| can_ping) else {
                ready!(self.poll_half_open(cx, now));
                continue;
            };
            match pings.due(now) {
                KeepAliveAction::Wait(time) => ready!(self.timer.poll(cx, self.opened + time)),
                KeepAliveAction::Ping if self.upload.at_frame_boundary() => {
                    match pings::ping(pings, now) {
                        Some(ping) => {
                            self.upload.queue_frame(&ping);
                            self.last_transfer = now;
                        }
                        None => self.pings = None,
                    }
                }
                // The end of the frame polls this task again.
                KeepAliveAction::Ping => return Poll::Pending,
                KeepAliveAction::Gone => {
                    self.report(
                        Diagnosis::NoPong,
                        "the upstream answered neither of two pings",
                    );
                    return Poll::Ready(Ok(TunnelEnd::Unresponsive));
                }
            }
        }
    }

    /// Returns `true` for the client, and for the upstream, while its side has not ended.
    fn open_sides(&self) -> (bool, bool) {
        (self.upload.is_open(), self.download.is_open())
    }

    /// Completes when a half-open tunnel has been reported.
    fn poll_half_open(&mut self, cx: &mut Context<'_>, now: Duration) -> Poll<()> {
        let (upload, download) = self.open_sides();
        if upload == download || self.reported.half_open {
            return Poll::Pending;
        }
        let time = self.last_transfer.saturating_add(HALF_OPEN_TIMEOUT);
        if now < time {
            return self.timer.poll(cx, self.opened + time);
        }
        self.reported.half_open = true;
        self.report(
            Diagnosis::HalfOpen,
            if upload {
                "the upstream ended its side, and the client has sent nothing for 60 s"
            } else {
                "the client ended its side, and the upstream has sent nothing for 60 s"
            },
        );
        Poll::Ready(())
    }

    fn poll_copy(&mut self, cx: &mut Context<'_>, now: Duration) -> Poll<Result<(), CopyError>> {
        let Self {
            client,
            upstream,
            upload,
            download,
            upstream_read_failed,
            last_transfer,
            pings,
            ..
        } = self;
        let before = (upload.bytes_read(), download.bytes_read());
        let own_pings = pings.as_ref();
        let upload_polled = upload.poll_copy(cx, client, upstream, now, None)?;
        let download_polled = download.poll_copy(cx, upstream, client, now, own_pings);
        *upstream_read_failed = matches!(download_polled, Poll::Ready(Err(CopyError::Read(_))));
        // An upstream that cannot write because the client does not read is not silent.
        if let Some(pings) = pings
            && (before.1 != download.bytes_read() || download.is_stalled())
        {
            pings.received(now);
        }
        if before != (upload.bytes_read(), download.bytes_read()) {
            *last_transfer = now;
        }
        ready!(download_polled)?;
        upload_polled.map(Ok)
    }

    /// Reports the end of the upstream's side, if the client did not close first.
    fn report_end(&mut self, now: Duration) {
        let code = self.download.frames.close_status();
        let has_ended = code.is_some() || !self.download.is_open() || self.upstream_read_failed;
        if self.reported.ended || !has_ended {
            return;
        }
        self.reported.ended = true;
        if self.upload.is_open() && self.upload.frames.close_status().is_none() {
            let ended = UpstreamEnd {
                age: now,
                idle: now.saturating_sub(self.last_transfer),
                code,
                sent_message: self.download.frames.has_sent_message(),
            };
            if let Some((diagnosis, observation)) = ended.diagnose(&self.context.idle_timeouts) {
                self.report(diagnosis, observation);
            }
        }
    }

    fn report(&self, diagnosis: Diagnosis, observation: impl Into<Cow<'static, str>>) {
        if let Some(requester) = &self.requester {
            self.context
                .event_sink
                .record_diagnosis(diagnosis, requester, observation);
        }
    }

    /// Closes the client's side, with a close frame if one may be inserted.
    async fn close_client(&mut self) -> Option<()> {
        if self.download.at_frame_boundary() {
            self.download
                .queue_frame(&encode::close(CloseCode::INTERNAL, "", None));
        }
        let sent = poll_fn(|cx| self.download.poll_write_pending(cx, &mut self.client));
        sent.await.ok()?;
        let mut client = TokioIo::new(&mut self.client);
        client.shutdown().await.ok()?;
        // Closing a socket with unread input would reset it and discard the close frame.
        while client.read(&mut [0; 512]).await.ok()? > 0 {}
        Some(())
    }
}

/// Returns `true` if neither side has ended or sent a close frame, and pongs can be recognized.
fn accepts_pings(upload: &Direction, download: &Direction) -> bool {
    let both = [upload, download];
    both.iter()
        .all(|direction| direction.is_open() && direction.frames.is_tracking())
}
