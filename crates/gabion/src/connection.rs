//! The peer address, as the server in front hands it over.

#[cfg(feature = "axum")]
use std::net::SocketAddr;

#[cfg(feature = "axum")]
use axum::extract::{
    OriginalUri,
    connect_info::{ConnectInfo, MockConnectInfo},
};
#[cfg(any(feature = "axum", feature = "tonic"))]
use gabion_core::PeerAddr;
use gabion_tower::{Connection, ConnectionSource};
use http::Extensions;
#[cfg(feature = "tonic")]
use tonic::transport::server::TcpConnectInfo;

/// The [`ConnectionSource`] of [`Guard`](crate::Guard) and of the four layers: reads the peer address from
/// whichever extension the server has inserted.
///
/// In this order: [`PeerAddr`](gabion_core::PeerAddr); with feature `axum`, `ConnectInfo<SocketAddr>` and
/// `MockConnectInfo<SocketAddr>`; with feature `tonic`, `TcpConnectInfo`. With feature `axum` the target is
/// read from `OriginalUri`, which `Router::nest` inserts when it strips a prefix, and a request whose peer is
/// axum's carries the [`ClientIp`](gabion_core::ClientIp) on, for its extractor.
///
/// # Cost
///
/// The [`ClientIp`](gabion_core::ClientIp) of axum's requests takes one allocation. Nothing else does.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no configuration")]
pub struct AutoSource;

impl ConnectionSource for AutoSource {
    fn connection<'r>(&self, extensions: &'r Extensions) -> Option<Connection<'r>> {
        let peer = extensions.get().copied();
        // Most requests have no other extension.
        if let Some(peer) = peer
            && extensions.len() == 1
        {
            return Some(Connection::plain(peer));
        }
        #[cfg(feature = "axum")]
        let (peer, is_axums) = match peer {
            None => {
                let peer = axum_peer(extensions).map(PeerAddr::new);
                (peer, peer.is_some())
            }
            peer => (peer, false),
        };
        #[cfg(feature = "tonic")]
        let peer = peer.or_else(|| {
            let info: &TcpConnectInfo = extensions.get()?;
            info.remote_addr().map(PeerAddr::new)
        });
        let connection = Connection::new(peer?, extensions);
        #[cfg(feature = "axum")]
        let connection = connection
            .with_target(extensions.get().map(|OriginalUri(original)| original))
            .with_client_inserted(is_axums);
        Some(connection)
    }

    fn missing_peer_help(&self) -> &'static str {
        if cfg!(feature = "axum") {
            "no peer address: serve the router with \
             `.into_make_service_with_connect_info::<SocketAddr>()`, or insert gabion's `PeerAddr` into the \
             extensions of each request"
        } else {
            "no peer address: insert gabion's `PeerAddr` into the extensions of each request; for an axum or \
             tonic server enable gabion's feature of that name"
        }
    }
}

#[cfg(feature = "axum")]
fn axum_peer(extensions: &Extensions) -> Option<SocketAddr> {
    let socket = extensions
        .get()
        .map(|ConnectInfo(socket): &ConnectInfo<SocketAddr>| *socket);
    socket.or_else(|| extensions.get().map(|MockConnectInfo(socket)| *socket))
}
