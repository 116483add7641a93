//! A proxy between two raw sockets: what one side sends, what the other side sees.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod again;
mod connections;
mod diagnosis;
mod drain;
mod ending;
mod failure;
mod framing;
mod http2;
mod keep_alive;
mod leave;
mod opening;
mod pool;
mod request;
mod stream;
mod support;
mod websocket;
