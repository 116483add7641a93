//! WebSocket echo server for the Autobahn suite: axum, with or without a Guard layer.
//!
//! Run `autobahn-echo bare` or `autobahn-echo layer`; it prints its address.

use std::{env, error::Error, net::SocketAddr};

use axum::{
    Router,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    routing::get,
};
use gabion::Guard;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let echo = |handshake: WebSocketUpgrade| async { handshake.on_upgrade(echo) };
    let bare = Router::new().route("/", get(echo));
    let app = match env::args().nth(1).as_deref() {
        Some("bare") => bare,
        Some("layer") => bare.layer(Guard::from_policy("version = 1\n")?.layer()),
        other => return Err(format!("expected `bare` or `layer`, not {other:?}").into()),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .await?;
    Ok(())
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
