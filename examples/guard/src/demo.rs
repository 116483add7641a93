//! The server that stands behind the guard when no other is named: a page, JSON, a WebSocket echo.

use std::{io, net::SocketAddr, thread};

use axum::{
    Json, Router,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    response::{Html, IntoResponse},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime};

/// Starts it on a port of loopback that nobody else has; it ends with the process.
pub(crate) fn start() -> io::Result<SocketAddr> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let addr = listener.local_addr()?;
    thread::Builder::new()
        .name("demo".into())
        .spawn(move || runtime.block_on(async { axum::serve(listener, router()).await }))?;
    Ok(addr)
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { Html(include_str!("demo.html")) }))
        .route("/api/status", get(status))
        .route("/ws", get(upgrade))
}

async fn status() -> Json<Value> {
    Json(json!({ "status": "fine", "guarded_by": "gabion" }))
}

async fn upgrade(handshake: WebSocketUpgrade) -> impl IntoResponse {
    // The default buffer of 128 KiB per socket would be most of the demo's memory.
    handshake.read_buffer_size(4 << 10).on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_))
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}
