//! The service that sends a request on and brings the answer back.
//!
//! A request reaches the upstream when:
//! 1. the accept loop said whose it is ([`PeerAddr`](gabion_core::PeerAddr) in its extensions);
//! 2. its target has a path and it names at most one host;
//! 3. it is no CONNECT but a WebSocket's (RFC 8441).
//!
//! What leaves is written anew: one hop's headers are dropped, the sender's are set, the framing
//! follows the body that is really there, and trailers say nothing of the head. Informational answers (103) stay behind: hyper's client
//! does not hand them over.

mod body;
mod download;
mod driver_waker;
mod error;
mod forwarded;
mod handshake_offer;
mod headers;
mod options;
mod pool;
mod request;
mod resolve;
mod retry;
mod service;
mod trailers;
mod upload;
mod upstream_connection;
mod upstream_io;
mod websocket;

pub use body::ProxyBody;
pub use error::{RequestError, UpstreamError};
pub(crate) use headers::list_contains;
pub use options::ProxyOptions;
pub use service::{Proxy, ProxyFuture};
