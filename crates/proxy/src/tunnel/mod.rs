//! An open WebSocket: bytes both ways until both sides have ended.
//!
//! What one side sends is written to the other at once, from a buffer on the stack; only what the
//! other does not take is kept, and then no more is read. So a socket that waits holds no buffer, and
//! one whose reader is slow holds one piece each way.
//!
//! An end of one side is passed on to the other. Silence ends nothing. An upstream that is silent is
//! pinged, between two frames of the client's; its pongs are kept from the client, who asked for
//! none. One that answers neither of two pings is gone, and the client is told so by a close frame
//! (1011). Where what passes are no frames that are known, nobody is pinged, and keep-alive probes
//! find a side that is gone. The client's side is the business of the layers in front.
//!
//! How the upstream's side ends is told to who listens: with a code, for want of a first message, or
//! cut after a silence, where that comes to be the same again and again ([`IdleTimeouts`]).

mod bidirectional_copy;
mod deadline_timer;
mod direction;
mod frame_tracker;
mod idle_timeouts;
mod pings;
mod upstream_end;

use std::{sync::Arc, time::Duration};

use gabion_frames::{Limits, Negotiated};
use hyper::upgrade::OnUpgrade;
use tokio::try_join;
use tracing::debug;

use bidirectional_copy::BidirectionalCopy;
pub(crate) use idle_timeouts::IdleTimeouts;

use crate::diagnosis_sink::{DiagnosisSink, Requester};

/// What all tunnels of one proxy have in common.
#[derive(Debug)]
pub(crate) struct TunnelContext {
    limits: Arc<Limits>,
    idle_timeouts: Arc<IdleTimeouts>,
    diagnosis_sink: DiagnosisSink,
}

/// What is known of one socket.
#[derive(Debug)]
pub(crate) struct TunnelConfig {
    /// The extensions; where one is not known, frames are not either.
    pub(crate) negotiated: Option<Negotiated>,
    /// How long its upstream may be silent before it is pinged.
    pub(crate) ping: Option<Duration>,
    pub(crate) requester: Option<Requester>,
}

// === impl TunnelContext ===

impl TunnelContext {
    pub(crate) fn new(idle_timeouts: Arc<IdleTimeouts>, diagnosis_sink: DiagnosisSink) -> Self {
        Self {
            limits: Arc::new(frame_tracker::unlimited()),
            idle_timeouts,
            diagnosis_sink,
        }
    }
}

/// Passes bytes until both sides have ended.
pub(crate) async fn tunnel(
    client: OnUpgrade,
    upstream: OnUpgrade,
    context: Arc<TunnelContext>,
    config: TunnelConfig,
) {
    match try_join!(client, upstream) {
        Err(error) => debug!(target: "gabion::proxy", %error, "tunnel did not open"),
        Ok((client, upstream)) => {
            let mut copy = BidirectionalCopy::new(client, upstream, context, config);
            let ended = copy.run().await;
            let (up, down) = copy.bytes_read();
            debug!(target: "gabion::proxy", up, down, ?ended, "tunnel ended");
        }
    }
}
