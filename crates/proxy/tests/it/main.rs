//! A proxy between two raw sockets: bytes sent on one side, bytes received on the other.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[cfg(feature = "acme")]
mod acme;
mod capacity;
mod connections;
mod control_frames;
mod diagnosis;
mod drain;
mod ending;
mod failure;
mod first_bytes;
mod framing;
mod handover;
mod heads;
mod http2;
mod keep_alive;
mod pool;
mod proxy_protocol;
mod refused_upgrade;
mod request;
mod retry;
mod router;
mod stall;
mod stream;
mod support;
#[cfg(feature = "tls")]
mod tls;
mod upstream;
mod websocket;
