//! Shared test support for the gabion crates: request builders, a manual clock, an event recorder,
//! vector tables, and skip rules.
//!
//! With the feature `servers`, also servers and clients on loopback:
//!
//! | type | role |
//! |---|---|
//! | `Backend` | HTTP/1.1 server that records requests and answers 200; handshakes open an echo |
//! | `EchoServer` | axum server behind a `GuardLayer`, with WebSocket routes |
//! | `ProxyServer` | `gabion-proxy` in front of an upstream |
//! | `RawServer` | upstream whose test reads and writes each connection itself |
//! | `RouterServer` | any axum router |
//! | `LoopbackServer` | the accept loop under most of these |
//! | `Nginx` | a real nginx in front of one server |
//! | `Tomcat` | a real Tomcat with one web application |
//! | `ServerProcess` | any installed server, ready when its log says so |
//! | `Pebble` | a real ACME server |
//! | `DnsServer` | DNS server with the records of a test |
//! | `IdleTimeoutRelay` | TCP relay that cuts idle connections, like a load balancer |
//! | `RawConnection`, `RawHttp2`, `RawWebSocket` | clients that send bytes, fields and frames as given |
//! | `Http2Client` | HTTP/2 client that can open WebSockets (RFC 8441) |
//!
//! [`RedisServer`], a real Redis, needs no feature.
//!
//! With the feature `laws`, also properties that hold for every input (the module `laws`).
//!
//! A test that needs a program or data file that is not installed prints `SKIPPED` and passes,
//! unless `GABION_REQUIRE_SERVERS` is set, as in CI: then a missing program fails it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "test support fails by panicking"
)]

#[cfg(feature = "servers")]
mod backend;
#[cfg(feature = "servers")]
mod chromium;
mod clock;
#[cfg(feature = "servers")]
mod dns_server;
#[cfg(feature = "servers")]
mod echo_server;
#[cfg(feature = "servers")]
mod http2_client;
mod in_process;
#[cfg(feature = "laws")]
pub mod laws;
#[cfg(feature = "servers")]
mod loopback;
#[cfg(feature = "servers")]
mod nginx;
#[cfg(feature = "servers")]
mod pebble;
mod poll;
#[cfg(feature = "servers")]
mod proxy_server;
#[cfg(feature = "servers")]
mod raw_connection;
#[cfg(feature = "servers")]
mod raw_http2;
#[cfg(feature = "servers")]
mod raw_server;
#[cfg(feature = "servers")]
mod raw_websocket;
mod recorder;
mod redis_server;
#[cfg(feature = "servers")]
mod relay;
mod request;
#[cfg(feature = "servers")]
mod server_process;
mod skip;
mod temp_folder;
#[cfg(feature = "servers")]
mod tomcat;
mod vectors;

#[cfg(feature = "servers")]
pub use backend::{Backend, ReceivedRequest};
#[cfg(feature = "servers")]
pub use chromium::dump_dom;
pub use clock::ManualClock;
#[cfg(feature = "servers")]
pub use dns_server::DnsServer;
#[cfg(feature = "servers")]
pub use echo_server::{EchoServer, WebSocket};
#[cfg(feature = "servers")]
pub use http2_client::{Http2Client, http2_sender};
pub use in_process::{InProcess, TestRequest, TestResponse};
#[cfg(feature = "servers")]
pub use loopback::{LoopbackServer, RouterServer};
#[cfg(feature = "servers")]
pub use nginx::{Nginx, PASSES_UPGRADES};
#[cfg(feature = "servers")]
pub use pebble::{CheckedPorts, Pebble};
pub use poll::eventually;
#[cfg(feature = "servers")]
pub use proxy_server::ProxyServer;
#[cfg(feature = "servers")]
pub use raw_connection::{RawConnection, RawResponse};
#[cfg(feature = "servers")]
pub use raw_http2::{Http2Outcome, RawHttp2};
#[cfg(feature = "servers")]
pub use raw_server::RawServer;
#[cfg(feature = "servers")]
pub use raw_websocket::{Frame, RawWebSocket, frame};
pub use recorder::Recorder;
pub use redis_server::RedisServer;
#[cfg(feature = "servers")]
pub use relay::IdleTimeoutRelay;
pub use request::{OwnedHead, client_at, peer};
#[cfg(feature = "servers")]
pub use server_process::ServerProcess;
pub use skip::{installed, program, shared};
pub use temp_folder::TempFolder;
#[cfg(feature = "servers")]
pub use tomcat::Tomcat;
pub use vectors::{rows, unescape};
