//! An axum router with a [`Guard`] layer and a policy of two deny rules.
//!
//! Run `cargo run -p axum-guarded`, then `curl -i http://127.0.0.1:3000/%2eenv`.

use std::{error::Error, net::SocketAddr};

use axum::{
    Router,
    extract::ws::{WebSocket, WebSocketUpgrade},
    routing::get,
};
use gabion::Guard;

const POLICY: &str = r#"
version = 1

[[deny]]
id = "dotfiles"
names = [".env", ".git"]

[[deny]]
id = "internal"             # the guard matches the path as sent; the nested router sees /stats
prefix = "/api/internal"
then = "404"
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let guard = Guard::from_policy(POLICY)?;

    let api = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/internal/stats", get(|| async { "internal statistics" }));
    let app = Router::new()
        .nest("/api", api)
        .route(
            "/ws",
            get(|handshake: WebSocketUpgrade| async { handshake.on_upgrade(echo) }),
        )
        .layer(guard.layer());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}/api/hello", listener.local_addr()?);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await?;
    Ok(())
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
