//! The reverse proxy service: forwards a request to an upstream and streams the response back.
//!
//! A request reaches the upstream if:
//! 1. its extensions hold the peer's address ([`PeerAddr`](gabion_core::PeerAddr)), which the
//!    accept loop inserts;
//! 2. its target has a path and it names at most one host;
//! 3. it is not a CONNECT, except for a WebSocket (RFC 8441).
//!
//! The forwarded request is written from the parsed parts: hop-by-hop headers and the claims of
//! untrusted peers are removed, the sender's headers are set, the framing follows the actual body,
//! and fields that belong in the head are removed from trailers. Informational responses (102, 103)
//! are not forwarded: hyper's server cannot send them.

mod body;
mod claims;
mod dispatch;
mod download;
mod driver_waker;
mod error;
mod forwarded;
mod handshake_offer;
mod headers;
mod health_checks;
mod http2_connection;
mod http2_pool;
mod idle_connections;
mod options;
mod pace;
mod pool;
mod pool_registry;
mod readiness;
mod request;
mod request_info;
mod response;
mod response_connection;
mod retry;
mod retry_budget;
mod service;
mod trailers;
mod upload;
mod upstream_connection;
mod upstream_io;
mod websocket;

pub use body::ProxyBody;
pub use error::{RequestError, UpstreamError};
pub use options::ProxyOptions;
pub use readiness::Readiness;
pub use service::{Proxy, ProxyFuture};
