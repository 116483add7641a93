//! An open WebSocket: bytes both ways until both sides have ended.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;
use tracing::debug;

/// For each direction, for as long as the tunnel is open: what a socket costs is mostly this.
const BUFFER: usize = 4 * 1024;

/// Copies until both sides have ended; an end on one side is passed on to the other. Silence ends
/// nothing: keep-alive probes find a side that is gone.
pub(super) async fn tunnel(client: OnUpgrade, upstream: OnUpgrade) {
    let ended = match tokio::try_join!(client, upstream) {
        Err(error) => Err(error.to_string()),
        Ok((client, upstream)) => {
            let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
            copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER)
                .await
                .map_err(|error| error.to_string())
        }
    };
    match ended {
        Ok((up, down)) => debug!(target: "gabion::proxy", up, down, "tunnel ended"),
        Err(reason) => debug!(target: "gabion::proxy", reason, "tunnel broke off"),
    }
}
