//! The demo server, used if no `--upstream` is given: a page, JSON, and a WebSocket echo.

use std::{io, net::SocketAddr, thread};

use axum::{
    Json, Router,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    response::{Html, IntoResponse},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime};

/// The path of the WebSocket echo.
pub(crate) const WEBSOCKET_PATH: &str = "/ws";

/// Starts the server on a free port of 127.0.0.1, in a thread that ends with the process.
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
        .route(WEBSOCKET_PATH, get(upgrade))
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
