//! An open WebSocket: copies bytes in both directions until both sides have ended.
//!
//! What one side sends is written to the other at once, from a buffer on the stack. Only what the
//! receiver does not take is kept, and then reading stops. An idle socket therefore holds no
//! buffer, and one with a slow reader holds one chunk per direction.
//!
//! The end of one side is passed on to the other. An idle tunnel is never closed. A silent upstream
//! is pinged, between two frames of the client; its pongs are removed, because the client did not
//! send the pings. If the upstream answers neither of two pings, the client gets a close frame with
//! 1011. If the frames cannot be parsed, no pings are sent, and TCP keep-alive probes find a side
//! that is gone. Pings to the client are left to the layers in front.
//!
//! The end of the upstream's side is reported as a diagnosis: with its close code, as a missing
//! first message, or as an idle timeout once several sockets ended after the same idle time
//! ([`UpstreamIdleTimeouts`]).

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
pub(crate) use idle_timeouts::UpstreamIdleTimeouts;

use crate::{
    access_log::OpenTunnel,
    capacity::Place,
    event_sink::{EventSink, Requester},
    upstream::Lease,
};

/// State that all tunnels of one proxy share.
#[derive(Debug)]
pub(crate) struct TunnelContext {
    limits: Arc<Limits>,
    idle_timeouts: Arc<UpstreamIdleTimeouts>,
    event_sink: EventSink,
}

/// Settings of one tunnel.
#[derive(Debug)]
pub(crate) struct TunnelConfig {
    /// The negotiated extensions; `None` if one is unknown, so that frames cannot be parsed.
    pub(crate) negotiated: Option<Negotiated>,
    /// The idle time after which the upstream is pinged.
    pub(crate) ping: Option<Duration>,
    pub(crate) requester: Option<Requester>,
    /// The tunnel counts as a request in progress until it ends, also at its upstream.
    pub(crate) place: (Place, Option<Lease>),
    /// Records the end of the tunnel in the access log.
    pub(crate) logged: Option<OpenTunnel>,
}

// === impl TunnelContext ===

impl TunnelContext {
    pub(crate) fn new(idle_timeouts: Arc<UpstreamIdleTimeouts>, event_sink: EventSink) -> Self {
        Self {
            limits: Arc::new(frame_tracker::unlimited()),
            idle_timeouts,
            event_sink,
        }
    }
}

/// Copies bytes until both sides have ended. The future of a tunnel has room for its arguments to the end; therefore
/// `config` is boxed.
pub(crate) async fn tunnel(
    client: OnUpgrade,
    upstream: OnUpgrade,
    context: Arc<TunnelContext>,
    config: Box<TunnelConfig>,
) {
    match try_join!(client, upstream) {
        Err(error) => {
            debug!(target: "gabion::proxy", %error, "WebSocket tunnel not opened: the upgrade failed");
        }
        Ok((client, upstream)) => {
            let mut copy = BidirectionalCopy::new(client, upstream, context, *config);
            let ended = copy.run().await;
            let (bytes_up, bytes_down) = copy.bytes_read();
            debug!(target: "gabion::proxy", bytes_up, bytes_down, ?ended, "WebSocket tunnel ended");
        }
    }
}
