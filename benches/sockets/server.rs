//! The servers that this program is when it is asked to: an echo, by itself and behind a guard.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::ws::{WebSocket, WebSocketUpgrade},
    routing::get,
};
use gabion::Guard;
use tokio::{net::TcpListener, runtime::Builder};

/// Nothing is asked of an open socket.
const LAYERED: &str = "version = 1\n";

/// What an open socket sends is held to limits.
const HELD: &str = "version = 1\n[upgrade]\nmessages = \"50/s\"\n";

/// What this program is under this name.
pub(crate) fn role(name: &str) -> Option<fn(SocketAddr)> {
    match name {
        "bare" => Some(|addr| serve(addr, None)),
        "layered" => Some(|addr| serve(addr, Some(LAYERED))),
        "held" => Some(|addr| serve(addr, Some(HELD))),
        _ => None,
    }
}

/// Serves an echo with axum, behind a guard where there is a policy.
fn serve(addr: SocketAddr, policy: Option<&str>) {
    let route = get(|handshake: WebSocketUpgrade| async {
        // As axum has it by default, its buffer of 128 KiB would be all there is to see.
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
        axum::serve(listener, app).await.expect("it serves");
    });
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
