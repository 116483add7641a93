//! An open WebSocket: bytes both ways until both sides have ended.
//!
//! What one side sends is written to the other at once, from a buffer on the stack; only what the
//! other does not take is kept, and then no more is read. So a socket that waits holds no buffer, and
//! one whose reader is slow holds one piece each way.
//!
//! An end of one side is passed on to the other. Silence ends nothing: keep-alive probes find a side
//! that is gone.

mod frames;
mod lane;
mod pump;

use std::sync::Arc;

use gabion_frames::{Limits, Negotiated};
use hyper::upgrade::OnUpgrade;
use tokio::try_join;
use tracing::debug;

use pump::Pump;

/// What all tunnels of one proxy have in common.
#[derive(Debug)]
pub(crate) struct Tunneling {
    limits: Arc<Limits>,
}

// === impl Tunneling ===

impl Tunneling {
    pub(crate) fn new() -> Self {
        Self {
            limits: Arc::new(frames::no_limits()),
        }
    }
}

/// Passes bytes until both sides have ended. `negotiated` is what is known of the extensions; where
/// one is not known, frames are not either.
pub(crate) async fn tunnel(
    client: OnUpgrade,
    upstream: OnUpgrade,
    tunneling: Arc<Tunneling>,
    negotiated: Option<Negotiated>,
) {
    let ended = match try_join!(client, upstream) {
        Err(error) => Err(error.to_string()),
        Ok((client, upstream)) => {
            let mut pump = Pump::new(client, upstream, &tunneling, negotiated);
            let ended = pump.run().await;
            ended.map_err(|error| error.to_string())
        }
    };
    match ended {
        Ok((up, down)) => debug!(target: "gabion::proxy", up, down, "tunnel ended"),
        Err(reason) => debug!(target: "gabion::proxy", reason, "tunnel broke off"),
    }
}
