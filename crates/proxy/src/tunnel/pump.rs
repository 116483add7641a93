//! Both directions of a tunnel.

use std::{
    borrow::Cow,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use gabion_core::Diagnosis;
use gabion_frames::{CloseCode, Due, KeepAlive, Role, encode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout},
};

use super::{
    Socket, Tunneling,
    alarm::Alarm,
    ended::Ended,
    frames::Frames,
    lane::{Broken, Lane},
    pings,
};
use crate::told::Whose;

/// Two streams, and a lane each way.
#[derive(Debug)]
pub(super) struct Pump {
    client: Upgraded,
    upstream: Upgraded,
    up: Lane,
    down: Lane,
    opened: Instant,
    upstream_broke: bool,
    /// When anything last passed between here and the upstream, an end too.
    passed: Duration,
    pings: Option<KeepAlive>,
    alarm: Alarm,
    /// What was told of this socket is not told again.
    told: Once,
    whose: Option<Whose>,
    tunneling: Arc<Tunneling>,
}

/// What was told already.
#[derive(Clone, Copy, Debug, Default)]
struct Once {
    /// How the upstream's side ended.
    ended: bool,
    /// That only one side has.
    half_open: bool,
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Both sides have ended.
    Both,
    /// The upstream answered no pings.
    Gone,
}

/// After so long a silence of the side that is left it is told that the other has ended.
const HALF_OPEN: Duration = Duration::from_mins(1);

/// How long a client may take to read a close and to hang up.
const PATIENCE: Duration = Duration::from_secs(1);

// === impl Pump ===

impl Pump {
    pub(super) fn new(
        client: Upgraded,
        upstream: Upgraded,
        tunneling: Arc<Tunneling>,
        socket: Socket,
    ) -> Self {
        let frames = |role| Frames::new(role, Arc::clone(&tunneling.limits), socket.negotiated);
        Self {
            client,
            upstream,
            up: Lane::new(frames(Role::Client)),
            down: Lane::new(frames(Role::Server)),
            opened: Instant::now(),
            upstream_broke: false,
            passed: Duration::ZERO,
            pings: socket.ping.and_then(pings::keep_alive),
            alarm: Alarm::default(),
            told: Once::default(),
            whose: socket.whose,
            tunneling,
        }
    }

    /// Runs until both sides have ended, one broke off, or the upstream is gone.
    pub(super) async fn run(&mut self) -> Result<End, Broken> {
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

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<End, Broken>> {
        loop {
            let now = self.opened.elapsed();
            let were_open = self.open();
            let polled = self.poll_pass(cx, now);
            self.tell_of_end(now);
            if were_open != self.open() {
                self.passed = now;
            }
            if polled?.is_ready() {
                return Poll::Ready(Ok(End::Both));
            }
            let known = may_be_pinged(&self.up, &self.down);
            let Some(pings) = self.pings.as_mut().filter(|_| known) else {
                ready!(self.poll_half_open(cx, now));
                continue;
            };
            match pings.due(now) {
                Due::Wait(time) => ready!(self.alarm.poll(cx, self.opened + time)),
                Due::Ping if self.up.may_be_interrupted() => match pings::ping(pings, now) {
                    Some(ping) => {
                        self.up.put(&ping);
                        self.passed = now;
                    }
                    None => self.pings = None,
                },
                // What ends the frame comes by here.
                Due::Ping => return Poll::Pending,
                Due::Gone => {
                    self.tell(
                        Diagnosis::NoPong,
                        "the server behind answered neither of two pings",
                    );
                    return Poll::Ready(Ok(End::Gone));
                }
            }
        }
    }

    /// Whether the client, and the upstream, have not ended.
    fn open(&self) -> (bool, bool) {
        (self.up.is_open(), self.down.is_open())
    }

    /// Ready once it was told that only one side has ended.
    fn poll_half_open(&mut self, cx: &mut Context<'_>, now: Duration) -> Poll<()> {
        let (up, down) = self.open();
        if up == down || self.told.half_open {
            return Poll::Pending;
        }
        let time = self.passed.saturating_add(HALF_OPEN);
        if now < time {
            return self.alarm.poll(cx, self.opened + time);
        }
        self.told.half_open = true;
        self.tell(
            Diagnosis::HalfOpen,
            if up {
                "the server behind has ended, and for a minute nothing comes from the client"
            } else {
                "the client has ended, and for a minute nothing comes from the server behind"
            },
        );
        Poll::Ready(())
    }

    fn poll_pass(&mut self, cx: &mut Context<'_>, now: Duration) -> Poll<Result<(), Broken>> {
        let Self {
            client,
            upstream,
            up,
            down,
            upstream_broke,
            passed,
            pings,
            ..
        } = self;
        let before = (up.read(), down.read());
        let ours = pings.as_ref();
        let to_upstream = up.poll_pass(cx, client, upstream, now, None)?;
        let to_client = down.poll_pass(cx, upstream, client, now, ours);
        *upstream_broke = matches!(to_client, Poll::Ready(Err(Broken::From(_))));
        // An upstream that nobody listens to is not silent.
        if let Some(pings) = pings
            && (before.1 != down.read() || down.is_stalled())
        {
            pings.heard(now);
        }
        if before != (up.read(), down.read()) {
            *passed = now;
        }
        ready!(to_client)?;
        to_upstream.map(Ok)
    }

    /// Tells how the upstream's side has ended, where that was of its own accord.
    fn tell_of_end(&mut self, now: Duration) {
        let code = self.down.frames.closed();
        let is_over = code.is_some() || !self.down.is_open() || self.upstream_broke;
        if self.told.ended || !is_over {
            return;
        }
        self.told.ended = true;
        if self.up.is_open() && self.up.frames.closed().is_none() {
            let ended = Ended {
                age: now,
                silence: now.saturating_sub(self.passed),
                code,
                said_something: self.down.frames.have_said_something(),
            };
            if let Some((diagnosis, seen)) = ended.diagnose(&self.tunneling.timers, Instant::now())
            {
                self.tell(diagnosis, seen);
            }
        }
    }

    fn tell(&self, diagnosis: Diagnosis, seen: impl Into<Cow<'static, str>>) {
        if let Some(whose) = &self.whose {
            self.tunneling.told.tell(diagnosis, whose, seen);
        }
    }

    /// Closes the client's side, with a close frame where one may stand.
    async fn take_leave(&mut self) -> Option<()> {
        if self.down.may_be_interrupted() {
            self.down.put(&encode::close(CloseCode::INTERNAL, "", None));
        }
        let sent = poll_fn(|cx| self.down.poll_send(cx, &mut self.client));
        sent.await.ok()?;
        let mut client = TokioIo::new(&mut self.client);
        client.shutdown().await.ok()?;
        // A socket that is dropped while bytes arrive takes along what it has not delivered.
        while client.read(&mut [0; 512]).await.ok()? > 0 {}
        Some(())
    }
}

/// Neither side has ended or said that it will, and pongs are known among what comes.
fn may_be_pinged(up: &Lane, down: &Lane) -> bool {
    let both = [up, down];
    both.iter()
        .all(|lane| lane.is_open() && lane.frames.are_followed())
}
