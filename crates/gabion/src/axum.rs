//! What axum leaves in a request's extensions.

use std::net::SocketAddr;

use axum::extract::{
    OriginalUri,
    connect_info::{ConnectInfo, MockConnectInfo},
};
use gabion_core::PeerAddr;
use gabion_tower::ConnectionSource;
use http::{Extensions, Uri};

/// Reads the peer from `ConnectInfo<SocketAddr>`, and the target from `OriginalUri`, which
/// `Router::nest` leaves when it cuts the path.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to hold")]
pub struct ConnectInfoSource;

impl ConnectionSource for ConnectInfoSource {
    fn peer(&self, extensions: &Extensions) -> Option<PeerAddr> {
        let socket = extensions
            .get()
            .map(|ConnectInfo(socket): &ConnectInfo<SocketAddr>| *socket);
        let mocked = || extensions.get().map(|MockConnectInfo(socket)| *socket);
        socket.or_else(mocked).map(PeerAddr::new)
    }

    fn missing_peer_help(&self) -> &'static str {
        "no peer address: serve the router with \
         `.into_make_service_with_connect_info::<SocketAddr>()`"
    }

    fn target<'r>(&self, extensions: &'r Extensions, uri: &'r Uri) -> &'r Uri {
        extensions
            .get()
            .map_or(uri, |OriginalUri(original)| original)
    }
}
