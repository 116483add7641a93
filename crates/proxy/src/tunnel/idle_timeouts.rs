//! Detection of idle timeouts on the upstream's side.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gabion_frames::{IdleTimeout, IdleTimeouts};
use tokio::time::Instant;

/// The [`IdleTimeouts`] of one upstream, shared by all its tunnels.
#[derive(Debug)]
pub(crate) struct UpstreamIdleTimeouts {
    started: Instant,
    timeouts: Mutex<IdleTimeouts>,
}

// === impl UpstreamIdleTimeouts ===

impl Default for UpstreamIdleTimeouts {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            timeouts: Mutex::default(),
        }
    }
}

impl UpstreamIdleTimeouts {
    /// Records a socket that was cut now, after `idle`. Returns the timeout that cut it, if it is to
    /// be reported.
    pub(super) fn record_cut(&self, idle: Duration) -> Option<IdleTimeout> {
        let mut timeouts = self.timeouts.lock().unwrap_or_else(PoisonError::into_inner);
        timeouts.record_cut(idle, self.started.elapsed())
    }
}
