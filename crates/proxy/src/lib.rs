//! A reverse proxy for gabion's guard: one service that hands requests to one server, and the accept
//! loop that feeds it.
//!
//! - [`Proxy`] is a tower service: it sends each request on to its [`Upstream`] and streams the
//!   answer back. Nothing in a request picks another server.
//! - [`serve`] accepts connections and drains them; [`workers`] runs one such loop on each core.
//! - [`Tunnels`] counts the WebSockets that a [`Proxy`] opened, so that a drain can wait for them.
//! - [`Connections`] ends those whose peer is refused by now, once it is told of a ban or a policy.
//!
//! # Examples
//!
//! ```no_run
//! use std::{num::NonZeroUsize, time::Duration};
//!
//! use gabion_proxy::{Proxy, ProxyOptions, ServeOptions, Upstream, workers};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let upstream: Upstream = "http://127.0.0.1:5000".parse()?;
//! let workers = workers(
//!     NonZeroUsize::MIN,
//!     "0.0.0.0:8080".parse()?,
//!     &ServeOptions::default(),
//!     move |tunnels| Proxy::new(upstream.clone(), &ProxyOptions::default(), tunnels.clone()),
//! )?;
//! println!("listening on {}", workers.local_addr());
//! // ... and when it is time to go:
//! let cut = workers.shutdown(Duration::from_secs(30));
//! println!("{cut}");
//! # Ok(())
//! # }
//! ```
//!
//! # Dependencies
//!
//! - `hyper` alone speaks HTTP: what a client sent is parsed, and what the upstream reads is written
//!   anew from the parts, so both sides see one framing. `hyper-util` connects; its pooled client has two
//!   tasks for each connection, which cost a tenth of a request's instructions, so the pool is ours.
//! - `memchr` finds the ends of lines, and `itoa` writes addresses: both are there with `http` anyway.
//! - `tokio-util` counts tasks and cuts them (`TaskTracker`, `CancellationToken`).
//! - `socket2` sets `SO_REUSEPORT` before a socket is bound, and keep-alive probes.
//! - `sha1`, `base64` and `getrandom` are what a WebSocket handshake needs (RFC 6455, 4.2.2); their
//!   versions are those axum brings, so that one of each is built. A WebSocket library would bring
//!   these same three, and a frame codec that a tunnel has no use for.
//! - `gabion-frames` tells where frames end in what passes, so that a ping may stand there.

mod diagnosis_sink;
mod forbidden;
mod forward;
mod serve;
mod tunnel;
mod tunnels;
mod upstream;
mod vectored;

pub use forbidden::ForbiddenAddress;
pub use forward::{Proxy, ProxyBody, ProxyFuture, ProxyOptions, RequestError, UpstreamError};
pub use serve::{
    Connections, Drained, HttpService, Protocols, ServeOptions, Workers, listen, serve, workers,
};
pub use tunnels::Tunnels;
pub use upstream::{Upstream, UpstreamParseError};
