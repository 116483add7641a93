//! Validation of WebSocket handshakes, before a WebSocket is open.
//!
//! A handshake passes if
//! 1. no page of a foreign origin caused it. Browsers send cookies with a handshake to any host,
//!    and the same-origin policy does not prevent the page from reading the messages (cross-site
//!    WebSocket hijacking). So the handshake has no `Origin` (RFC 6455, section 10.2), which
//!    browsers always send; or a configured one; or, if none is configured, it has neither `Cookie`
//!    nor `Authorization`, or the host of its origin is the requested host, on any port;
//! 2. it offers no subprotocols, or a configured one, if any are configured; and
//! 3. its client is below the handshake rate.
//!
//! Rules apply by route. A path that some server resolves to another route must satisfy the rules
//! of both routes. On HTTP/2 a handshake is a CONNECT request (RFC 8441), and the same rules apply.
//!
//! Other requests pass, except for a GET on a WebSocket-only path, which gets a response with the
//! protocol to upgrade to (RFC 9110, section 15.5.22).

mod compile;
mod compiled;
mod compression;
mod config;
mod handshake;
mod origin;
mod ping;
mod plain_http_hint;
mod route;
#[cfg(test)]
mod tests;

use handshake::RouteRules;

pub use compiled::CompiledUpgrade;
pub use compression::Compression;
pub use config::UpgradeConfig;
pub use handshake::Handshake;
pub use ping::{Ping, PingError};
pub use plain_http_hint::{KnownWebSocketPaths, PlainHttpHint};
pub use route::RouteConfig;
