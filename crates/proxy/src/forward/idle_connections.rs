//! The idle HTTP/1.1 connections to one upstream.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::upstream_connection::UpstreamConnection;
use crate::upstream::Resolution;

/// The idle connections to one upstream.
///
/// The connection that was returned last is taken first, so that the others expire and are closed.
pub(super) struct IdleConnections {
    /// The time after which an idle connection is closed.
    timeout: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// Each with the time at which it became idle, the oldest first.
    connections: Vec<(UpstreamConnection, Instant)>,
    has_sweeper: bool,
    is_closed: bool,
}

/// The most idle connections that are kept. Further ones are closed.
const MAX_IDLE: usize = 512;

// === impl IdleConnections ===

impl IdleConnections {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            idle: Mutex::default(),
        }
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Closes the idle connections, and each later one after its exchange.
    pub(super) fn close(&self) {
        let mut idle = self.idle();
        idle.is_closed = true;
        let closed = mem::take(&mut idle.connections);
        drop(idle);
        drop(closed);
    }

    /// Takes an idle connection; `None` if all have expired. One to a former address of the upstream is closed.
    pub(super) fn take(&self, resolution: &Arc<Resolution>) -> Option<UpstreamConnection> {
        let (connection, since) = self.idle().connections.pop()?;
        let now = Instant::now();
        resolution.refresh(now);
        let is_current = now.duration_since(since) < self.timeout
            && connection.generation() == resolution.generation();
        is_current.then_some(connection)
    }

    /// Puts a connection back after its exchange, as soon as it can take another.
    pub(super) fn put(self: &Arc<Self>, mut connection: UpstreamConnection) {
        if connection.is_ready() {
            return self.insert(connection);
        }
        // For example an upload that continues after its response.
        let idle = Arc::clone(self);
        tokio::spawn(async move {
            if connection.ready().await {
                idle.insert(connection);
            }
        });
    }

    fn insert(self: &Arc<Self>, connection: UpstreamConnection) {
        let mut idle = self.idle();
        if idle.is_closed || idle.connections.len() == MAX_IDLE {
            drop(idle);
            return drop(connection);
        }
        idle.connections.push((connection, Instant::now()));
        if !idle.has_sweeper {
            idle.has_sweeper = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes expired connections. Returns the time until the next one expires, if any is left.
    fn close_expired(&self) -> Option<Duration> {
        let mut idle = self.idle();
        let now = Instant::now();
        let is_expired = |since: Instant| now.duration_since(since) >= self.timeout;
        let expired = idle
            .connections
            .partition_point(|(_, since)| is_expired(*since));
        let expired: Vec<_> = idle.connections.drain(..expired).collect();
        let oldest = idle.connections.first().map(|(_, since)| *since);
        idle.has_sweeper = oldest.is_some();
        drop(idle);
        drop(expired);
        oldest.map(|since| (since + self.timeout).duration_since(now))
    }

    /// A panic under this lock could only come from an allocation, which leaves the data
    /// consistent.
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes expired connections until none is left.
async fn sweep(idle: Weak<IdleConnections>) {
    while let Some(wait) = idle.upgrade().and_then(|idle| idle.close_expired()) {
        sleep(wait).await;
    }
}

impl fmt::Debug for IdleConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleConnections")
            .field("len", &self.idle().connections.len())
            .finish_non_exhaustive()
    }
}
