//! Refuses WebSocket handshakes that should not be, before there is a socket.
//!
//! A handshake passes when
//! 1. no page of a foreign origin made a browser send it: browsers send cookies along with a handshake
//!    to any host, and the same-origin policy does not keep the page from reading what comes
//!    (cross-site WebSocket hijacking). So it names no `Origin` (RFC 6455, 10.2), since no browser
//!    sent it; or one of those that are configured; or none is, and it carries neither `Cookie` nor
//!    `Authorization`, or its origin's host is the one that it asks for, whatever the port;
//! 2. it offers no subprotocols, or one of those that are configured, where any is;
//! 3. its client has sent fewer than it may.
//!
//! All of this is held by route, and a path that some server reads as below another route is held to
//! both. On HTTP/2 a handshake is a CONNECT (RFC 8441), and judged alike.
//!
//! What is no handshake passes, unless its path is a WebSocket and nothing else: a GET there is told
//! what to ask for (RFC 9110, 15.5.22).

mod compile;
mod config;
mod handshake;
mod origin;
mod plain_http_hint;
mod route;
#[cfg(test)]
mod tests;

use handshake::RouteRules;

pub use compile::CompiledUpgrade;
pub use config::{Compression, Ping, PingError, UpgradeConfig};
pub use handshake::Handshake;
pub use plain_http_hint::{KnownWebSocketPaths, PlainHttpHint};
pub use route::RouteConfig;
