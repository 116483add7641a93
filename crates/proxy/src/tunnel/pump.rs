//! Both directions of a tunnel.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use gabion_frames::{Negotiated, Role};
use hyper::upgrade::Upgraded;
use tokio::time::Instant;

use super::{Tunneling, frames::Frames, lane::Lane};

/// Two streams, and a lane each way.
#[derive(Debug)]
pub(super) struct Pump {
    client: Upgraded,
    upstream: Upgraded,
    up: Lane,
    down: Lane,
    opened: Instant,
}

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
        }
    }

    /// Runs until both sides have ended, or one broke off. How many bytes went up, and down.
    pub(super) async fn run(&mut self) -> io::Result<(u64, u64)> {
        poll_fn(|cx| self.poll_pass(cx)).await?;
        Ok((self.up.passed(), self.down.passed()))
    }

    fn poll_pass(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = self.now();
        let up = self
            .up
            .poll_pass(cx, &mut self.client, &mut self.upstream, now)?;
        let down = self
            .down
            .poll_pass(cx, &mut self.upstream, &mut self.client, now)?;
        ready!(up);
        ready!(down);
        Poll::Ready(Ok(()))
    }

    fn now(&self) -> Duration {
        self.opened.elapsed()
    }
}
