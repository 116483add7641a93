//! A reverse proxy for gabion's guard: a tower service that forwards requests to upstream servers, and
//! the accept loop that serves it.
//!
//! - [`Proxy`] is a tower service. It forwards each request to its [`Upstream`] and streams the
//!   response back. Nothing in a request can select another server.
//! - [`UpstreamGroup`] is a set of equivalent upstreams: choice by load, turn or client, ejection, health
//!   checks, retries and caps, as [`UpstreamOptions`] say.
//! - [`serve`] accepts connections and drains them on shutdown; [`workers`] runs one such loop per
//!   core.
//! - [`Renewal`] replaces the services of running workers, and [`UpstreamGroup::continuing`] keeps the state and the
//!   connections of upstreams that stay. A request costs one atomic load for this: each connection has a copy of its
//!   worker's service, and replaces it when a version number has changed.
//! - [`Tunnels`] counts the WebSockets that a [`Proxy`] opened, so that a drain can wait for them.
//! - Feature `tls`: `Certificates` and `Tls` serve TLS, with certificates by name whose files are read again.
//! - Feature `acme`: `Acme` obtains and renews certificates.
//! - [`HttpsLayer`] redirects plain requests to HTTPS, and sets `Strict-Transport-Security`.
//! - [`HealthLogService`] writes the health log that AWS Elastic Beanstalk reads.
//! - [`Connections`] closes the connections of peers that the policy denies, after a ban or a
//!   policy change.
//!
//! # Examples
//!
//! ```
//! use std::{
//!     io::{self, Read, Write},
//!     net::{TcpListener, TcpStream},
//!     num::NonZeroUsize,
//!     thread,
//!     time::Duration,
//! };
//!
//! use gabion_proxy::{Proxy, ProxyOptions, ServeOptions, Upstream, workers};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TcpListener::bind("127.0.0.1:0")?;
//! let upstream: Upstream = format!("http://{}", server.local_addr()?).parse()?;
//! # thread::spawn(move || -> io::Result<()> {
//! #     let (mut stream, _) = server.accept()?;
//! #     stream.read(&mut [0; 1024])?;
//! #     stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
//! # });
//! let workers = workers(
//!     NonZeroUsize::MIN,
//!     "127.0.0.1:0".parse()?,
//!     &ServeOptions::default(),
//!     move |tunnels| Proxy::new(upstream.clone(), &ProxyOptions::default(), tunnels.clone()),
//! )?;
//!
//! # let addr = workers.local_addr();
//! # let send = |request: &str| -> io::Result<String> {
//! #     let mut client = TcpStream::connect(addr)?;
//! #     client.write_all(request.as_bytes())?;
//! #     let mut response = String::new();
//! #     client.read_to_string(&mut response)?;
//! #     Ok(response)
//! # };
//! let forwarded = send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
//! assert!(forwarded.starts_with("HTTP/1.1 200 OK\r\n") && forwarded.ends_with("hello"));
//!
//! // A request cannot select its server.
//! let refused = send("CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n")?;
//! assert!(refused.starts_with("HTTP/1.1 501 Not Implemented\r\n"));
//!
//! let drained = workers.shutdown(Duration::from_secs(30));
//! assert_eq!((drained.connections, drained.tunnels), (0, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `tls`: `https://` and `h2://` upstreams.
//!
//! # Dependencies
//!
//! - `hyper` is the only HTTP parser: a client's request is parsed, and the upstream's request is
//!   written from the parsed parts, so that both sides see one framing. `hyper-util` connects. Its
//!   pooled client (`client::legacy`) has a task for each connection to the upstream, and two channels between that and the
//!   request; here the task of the client's connection drives hyper's HTTP/1.1 connection itself. In the same proxy of
//!   hyper alone, a GET takes 45,600 instructions outside the kernel with the one and 31,800 with the other (callgrind,
//!   2026-11-30; `--plain-hyper` and `--pooled-hyper` of `benches/proxy`): more than the 3 % for which the pool would be
//!   replaced. An HTTP/2 connection has a task of its own in any case; `client::pool` of `hyper-util` has one connection
//!   for all requests, but an upstream that allows 100 streams needs another one for the next.
//! - `tokio-rustls` with `ring` is the TLS of upstreams, and `rustls-native-certs` reads the system's root
//!   certificates (feature `tls`).
//! - The choice by two random draws has no crate: `tower::balance` has neither weights nor ejection. Its
//!   random numbers are `SplitMix64`, which needs no secret.
//! - `memchr` finds line ends, and `itoa` writes addresses. `http` depends on both already.
//! - `humantime` writes dates in UTC; other crates of the workspace depend on it already.
//! - `tokio-util` counts and cancels tasks (`TaskTracker`, `CancellationToken`).
//! - `rustix` passes listening sockets to a successor, which takes `unsafe` code otherwise.
//! - `socket2` sets `SO_REUSEPORT` before a socket is bound, and TCP keep-alive probes.
//! - `rlimit` raises the limit of open files, which takes `unsafe` code.
//! - `sha1`, `base64` and `getrandom` serve the WebSocket handshake (RFC 6455, 4.2.2). Their
//!   versions are those of axum, so that each is built once. A WebSocket library would bring these
//!   same three, and a frame codec that a tunnel does not use.
//! - `proxy-header` parses the header of the PROXY protocol: a parser without dependencies. `ppp` depends on an old
//!   version of `thiserror`, and `proxy-protocol-rs` brings a listener of its own, with 17 dependencies.
//! - Feature `tls`: `tokio-rustls` with the cryptography of `ring`, which needs only a C compiler, and
//!   `rustls-webpki`, which rustls depends on, for the names in a certificate.
//! - Feature `acme`: `instant-acme` speaks RFC 8555 and asks for renewal information (ARI). `rustls-acme` also renews
//!   and caches, but without ARI, without a lock or atomic writes of its cache, and with a second reactor
//!   (`async-io`); what it would save is a thread of 300 lines. The HTTP client is this crate's own, on `hyper` and
//!   `tokio-rustls`: that of `instant-acme` would bring a connection pool and a platform verifier. `rcgen` writes
//!   requests and challenge certificates, `x509-parser` reads lifetimes, `rustls-native-certs` finds the system's
//!   authorities, and `serde_json` writes the state.
//! - `gabion-frames` finds the frame boundaries in a tunnel, where a ping may be inserted.

mod access_log;
#[cfg(feature = "acme")]
mod acme;
mod answer;
mod cancellation;
mod capacity;
mod descriptors;
mod either;
mod event_sink;
mod forbidden;
mod forward;
mod header_case;
mod health_log;
mod host;
mod https;
mod prefixed;
mod router;
mod serve;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls_without.rs"]
mod tls;
mod tunnel;
mod tunnels;
mod upstream;
mod vectored;

pub use access_log::{AccessLogBody, AccessLogFuture, AccessLogService, AccessRecorder};
#[cfg(feature = "acme")]
pub use acme::{
    Acme, AcmeChallenge, AcmeError, AcmeOptions, ChallengeLayer, ChallengeService, HttpChallenges,
    TermsOfService,
};
pub use answer::{AnsweredBody, AnsweredFuture};
pub use capacity::Capacity;
pub use descriptors::raise_descriptor_limit;
pub use either::{Either, EitherBody, EitherFuture};
pub use forbidden::ForbiddenAddress;
pub use forward::{
    Proxy, ProxyBody, ProxyFuture, ProxyOptions, Readiness, RequestError, UpstreamError,
};
pub use header_case::HeaderCase;
pub use health_log::{HealthLog, HealthLogBody, HealthLogFuture, HealthLogService};
pub use https::{HttpsLayer, HttpsService};
pub use router::{Route, RouteError, Router};
pub use serve::{
    Connections, Drained, HttpService, Listener, Protocols, ProxyProtocol, Renewal, RenewalError,
    ServeOptions, Workers, listen, serve, workers, workers_on,
};
#[cfg(unix)]
pub use serve::{Handover, Predecessor, take_over};
#[cfg(feature = "tls")]
pub use tls::{
    CertificateError, CertificateFiles, Certificates, PreparedCertificates, Reloaded, Tls,
};
pub use tunnels::Tunnels;
pub use upstream::{
    Balance, Ejection, HealthCheck, HealthCheckError, OwnAddressError, OwnAddresses, RetryBudget,
    StartWait, Upstream, UpstreamGroup, UpstreamGroupError, UpstreamOptions, UpstreamParseError,
    UpstreamTls, UpstreamTlsError,
};
