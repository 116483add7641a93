//! A modular web-application firewall for tower, hyper and axum.
//!
//! A [`Guard`] is a firewall by one policy document, which is reloaded live. [`BanLayer`], [`DenyLayer`],
//! [`LimitLayer`] and [`ScanLayer`] are single layers without a document. Both judge HTTP requests and upgrade
//! requests; a guard also judges what flows after the upgrade. A rule of your own is an [`Inspect`].
//!
//! # Examples
//!
//! A guard around an axum router (feature `axum`):
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, body::Body, extract::connect_info::MockConnectInfo, routing::get};
//! use gabion::{ClientIp, Guard};
//! use http::Request;
//! use tower::ServiceExt;
//!
//! let guard = Guard::from_policy(
//!     r#"
//!     version = 1
//!     [[deny]]
//!     id = "dotfiles"
//!     names = [".env", ".git"]
//!     "#,
//! )?;
//! let app = Router::new()
//!     .fallback(get(|client: ClientIp| async move { format!("hello {client}") }))
//!     .layer(guard.layer());
//! // A server does this with `into_make_service_with_connect_info::<SocketAddr>()`.
//! # let app = app.layer(MockConnectInfo(std::net::SocketAddr::from(([203, 0, 113, 9], 4711))));
//!
//! let get = |path: &str| Request::get(path).header("host", "localhost").body(Body::empty());
//! assert_eq!(app.clone().oneshot(get("/hello")?).await?.status(), 200);
//! assert_eq!(app.oneshot(get("/%2eenv")?).await?.status(), 403);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "axum"))]
//! # fn main() {}
//! ```
//!
//! The four layers around any tower service, in the order in which they judge:
//!
//! ```
//! # use std::{convert::Infallible, net::SocketAddr};
//! # use bytes::Bytes;
//! # use http_body_util::Full;
//! # use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use gabion::{BanLayer, DenyLayer, LimitLayer, PeerAddr, ScanLayer, ban::Bans};
//! use http::{Request, Response};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bans = Bans::new();
//! let service = ServiceBuilder::new()
//!     .layer(BanLayer::new(&bans).networks(["198.51.100.0/24"])?)
//!     .layer(DenyLayer::new().extensions(["php"]).names([".env", ".git"])?)
//!     .layer(LimitLayer::per_client("50/s".parse()?).burst(2_000))
//!     .layer(ScanLayer::new(&bans))
//!     .service(service_fn(|_: Request<()>| async {
//!         Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
//!     }));
//! # let get = |path: &str, client: [u8; 4]| {
//! #     let peer = PeerAddr::new(SocketAddr::from((client, 4711)));
//! #     Request::get(path).header("host", "localhost").extension(peer).body(())
//! # };
//! # let status = async |request| service.clone().oneshot(request).await.unwrap().status();
//! assert_eq!(status(get("/", [203, 0, 113, 9])?).await, 200);
//! assert_eq!(status(get("/", [198, 51, 100, 9])?).await, 403);
//! assert_eq!(status(get("/index.ph%70", [203, 0, 113, 9])?).await, 403);
//! # Ok(())
//! # }
//! ```
//!
//! Loopback and private addresses are exempt from limits and bans, so a first try with curl from the same
//! machine shows only denials by path: see [`guide::single_layers`] for how to try the rest.
//!
//! hyper answers a request that it cannot parse before any tower layer, so that a layer neither judges nor
//! reports it: see [`guide::policy::protocol`] for these requests, and for the accept loop that reports them.
//!
//! # Modules
//!
//! A module per concern holds its types: [`ban`], [`client`], [`deny`], [`event`], [`limit`], [`policy`],
//! [`scan`], [`websocket`]; [`inspect`] has what a custom rule needs. The [`guide`] explains path views
//! ([`guide::paths`]), WebSockets ([`guide::websockets`]) and each section of the policy ([`guide::policy`]).
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `policy` | yes | [`Guard`] and the policy document: toml, notify, annotate-snippets |
//! | `websocket` | yes | sessions after the upgrade, extended CONNECT (RFC 8441): hyper |
//! | `tracing` | yes | events go to `tracing`, bounded per client and second, unless a sink is set |
//! | `logs` | no | [`event`] has `EventLog` and `AccessLog`: events and requests as lines, in files with rotation |
//! | `metrics` | no | [`event`] has `Metrics`: counts of events and requests by the `metrics` facade |
//! | `axum` | no | peer and target from axum's extensions; [`ClientIp`] is an extractor |
//! | `tonic` | no | peer from tonic's `TcpConnectInfo` |

mod bans;
mod connection;
mod layer;
mod sink;

pub mod ban;
pub mod client;
pub mod deny;
pub mod event;
#[cfg(feature = "policy")]
mod guard;
#[cfg(all(feature = "policy", feature = "websocket"))]
pub mod guide;
pub mod inspect;
pub mod limit;
pub mod policy;
pub mod scan;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use ban::{BanLayer, Bans};
pub use client::{ClientIp, PeerAddr};
pub use deny::DenyLayer;
#[cfg(feature = "policy")]
pub use guard::{Guard, GuardBuilder};
pub use inspect::{Denial, Facts, GuardLayer, Inspect, Mode, RequestState, Verdict};
pub use layer::{LayerError, SingleLayer};
pub use limit::LimitLayer;
pub use scan::ScanLayer;
