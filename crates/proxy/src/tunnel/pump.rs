//! Both directions of a tunnel.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use gabion_frames::{CloseCode, Due, Negotiated, Role, encode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout},
};

use super::{Tunneling, alarm::Alarm, frames::Frames, lane::Lane, pings::Pings};

/// Two streams, and a lane each way.
#[derive(Debug)]
pub(super) struct Pump {
    client: Upgraded,
    upstream: Upgraded,
    up: Lane,
    down: Lane,
    opened: Instant,
    pings: Option<Pings>,
    alarm: Alarm,
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Both sides have ended.
    Both,
    /// The upstream answered no pings.
    Gone,
}

/// How long a client may take to read a close and to hang up.
const PATIENCE: Duration = Duration::from_secs(1);

// === impl Pump ===

impl Pump {
    pub(super) fn new(
        client: Upgraded,
        upstream: Upgraded,
        tunneling: &Tunneling,
        negotiated: Option<Negotiated>,
    ) -> Self {
        let frames = |role| Frames::new(role, Arc::clone(&tunneling.limits), negotiated);
        Self {
            client,
            upstream,
            up: Lane::new(frames(Role::Client)),
            down: Lane::new(frames(Role::Server)),
            opened: Instant::now(),
            pings: tunneling.ping.and_then(Pings::new),
            alarm: Alarm::default(),
        }
    }

    /// Runs until both sides have ended, one broke off, or the upstream is gone.
    pub(super) async fn run(&mut self) -> io::Result<End> {
        let end = poll_fn(|cx| self.poll(cx)).await?;
        if end == End::Gone {
            // In a box, or each tunnel would have room for it. Who does not heed it is dropped.
            let leave = Box::pin(self.take_leave());
            let _ = timeout(PATIENCE, leave).await;
        }
        Ok(end)
    }

    /// How many bytes went up, and down.
    pub(super) const fn read(&self) -> (u64, u64) {
        (self.up.read(), self.down.read())
    }

    /// How the upstream said that it ends.
    pub(super) const fn closed(&self) -> Option<CloseCode> {
        self.down.frames.closed()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<End>> {
        loop {
            if self.poll_pass(cx)?.is_ready() {
                return Poll::Ready(Ok(End::Both));
            }
            let now = self.opened.elapsed();
            let known = may_be_pinged(&self.up, &self.down);
            let Some(pings) = self.pings.as_mut().filter(|_| known) else {
                return Poll::Pending;
            };
            match pings.due(now) {
                Due::Wait(time) => ready!(self.alarm.poll(cx, self.opened + time)),
                Due::Ping if self.up.may_be_interrupted() => match pings.ping(now) {
                    Some(ping) => self.up.put(&ping),
                    None => self.pings = None,
                },
                // What ends the frame comes by here.
                Due::Ping => return Poll::Pending,
                Due::Gone => return Poll::Ready(Ok(End::Gone)),
            }
        }
    }

    fn poll_pass(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            client,
            upstream,
            up,
            down,
            pings,
            ..
        } = self;
        let now = self.opened.elapsed();
        let heard = down.read();
        let ours = pings.as_ref().map(Pings::keep_alive);
        let up = up.poll_pass(cx, client, upstream, now, None)?;
        let ended = down.poll_pass(cx, upstream, client, now, ours)?;
        // An upstream that nobody listens to is not silent.
        if let Some(pings) = pings
            && (heard != down.read() || down.is_stalled())
        {
            pings.heard(now);
        }
        ready!(up);
        ended.map(Ok)
    }

    /// Closes the client's side, with a close frame where one may stand.
    async fn take_leave(&mut self) -> io::Result<()> {
        if self.down.may_be_interrupted() {
            self.down.put(&encode::close(CloseCode::INTERNAL, "", None));
        }
        poll_fn(|cx| self.down.poll_send(cx, &mut self.client)).await?;
        let mut client = TokioIo::new(&mut self.client);
        client.shutdown().await?;
        // A socket that is dropped while bytes arrive takes along what it has not delivered.
        while client.read(&mut [0; 512]).await? > 0 {}
        Ok(())
    }
}

/// Neither side has ended or said that it will, and pongs are known among what comes.
fn may_be_pinged(up: &Lane, down: &Lane) -> bool {
    let both = [up, down];
    both.iter()
        .all(|lane| lane.is_open() && lane.frames.are_followed())
}
