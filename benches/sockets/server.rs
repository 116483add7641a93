//! The echo servers, which this program runs as child processes: axum alone and behind gabion's layer.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::ws::{WebSocket, WebSocketUpgrade},
    routing::get,
};
use gabion::Guard;
use tokio::{net::TcpListener, runtime::Builder};

/// A policy without limits on messages.
const NO_LIMITS: &str = "version = 1\n";

/// A policy with a limit on messages.
const WITH_LIMITS: &str = "version = 1\n[upgrade]\nmessages = \"50/s\"\n";

/// Returns the server with this name.
pub(crate) fn role(name: &str) -> Option<fn(SocketAddr)> {
    match name {
        "axum" => Some(|addr| serve(addr, None)),
        "axum-with-layer" => Some(|addr| serve(addr, Some(NO_LIMITS))),
        "axum-with-limits" => Some(|addr| serve(addr, Some(WITH_LIMITS))),
        _ => None,
    }
}

/// Serves an echo with axum, behind a guard if there is a policy.
fn serve(addr: SocketAddr, policy: Option<&str>) {
    let route = get(|handshake: WebSocketUpgrade| async {
        // axum's default read buffer of 128 KiB would hide the memory of the layer.
        handshake.read_buffer_size(4096).on_upgrade(echo)
    });
    let mut app = Router::new().route("/ws", route);
    if let Some(policy) = policy {
        let guard = Guard::from_policy(policy).expect("a policy");
        app = app.layer(guard.layer());
    }
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let listener = TcpListener::bind(addr).await.expect("the port is free");
        axum::serve(listener, app).await.expect("the server runs");
    });
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
