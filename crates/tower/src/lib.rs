//! A tower layer that enforces any inspector of gabion.
//!
//! [`GuardLayer`] judges the head of each request before the service receives it, and responds
//! itself if the verdict is a denial. One adapter serves every rule: any
//! [`Inspect`](gabion_core::Inspect) implementation works alone in a stack, and a whole policy is
//! an inspector too.
//!
//! The layer does not change the properties of the guarded service: readiness and errors are the
//! service's own (a denial is a response), it need not be `Clone`, request bodies and extensions
//! pass unchanged, and response bodies, including that of a 101 or a CONNECT, are not rebuilt.
//!
//! # Overview
//!
//! | Type | Purpose |
//! |---|---|
//! | [`GuardLayer`], [`GuardService`], [`ResponseFuture`], [`GuardBody`] | the layer and its tower parts |
//! | [`guard_layer`] | a layer over a [`PolicySource`](gabion_core::PolicySource) that may be replaced |
//! | [`Reply`], [`BriefReply`] | responses to denied requests |
//! | [`ConnectionSource`], [`ExtensionsSource`], [`Connection`] | the connection of a request |
//! | [`Clock`], [`SystemClock`] | the time |
//! | [`ObserveOverride`] | a temporary switch to observe mode |
//! | `Sessions` | open WebSockets and event streams (feature `websocket`) |
//!
//! # Examples
//!
//! ```
//! use std::{convert::Infallible, net::SocketAddr};
//! use bytes::Bytes;
//! use gabion_core::{ClientRules, PeerAddr};
//! use gabion_inspect::{Config, Context, DenyRule, State};
//! use gabion_tower::GuardLayer;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rule = DenyRule::new("php").extensions(["php"]);
//! let deny = [rule].compile(&Context::new(&State::scratch()))?;
//! let service = ServiceBuilder::new()
//!     .layer(GuardLayer::new(deny, ClientRules::default()))
//!     .service(service_fn(|_: Request<()>| async {
//!         Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
//!     }));
//!
//! // The accept loop inserts the peer address into the extensions of each request.
//! let peer = PeerAddr::new(SocketAddr::from(([203, 0, 113, 9], 4711)));
//! let get = |path: &str| Request::get(path).extension(peer).body(());
//! assert_eq!(service.clone().oneshot(get("/index.html")?).await?.status(), 200);
//! assert_eq!(service.oneshot(get("/index.php")?).await?.status(), 403);
//! # Ok(())
//! # }
//! ```
//!
//! # Dependencies
//!
//! `tower-layer`, `tower-service`, `http-body` and `bytes` are the interface; `pin-project-lite`
//! projects futures without `unsafe`. `memchr` searches the `Accept` header, and `itoa` writes the numbers of
//! rate limits; `http` depends on `itoa` already. Feature `websocket` (default) adds hyper, whose request
//! extensions are the only source of the protocol of an extended CONNECT and the only way to take
//! over a connection; `gabion-frames`, which parses the frames of upgraded connections; and
//! `atomic-waker`, which wakes a session without a lock. Without this feature every CONNECT counts
//! as a tunnel, and upgraded connections are not supervised.

mod body;
mod clock;
mod connection;
mod engine;
mod guard;
mod observe_override;
mod protocol;
mod reply;
#[cfg(feature = "websocket")]
mod session;
#[cfg(not(feature = "websocket"))]
#[path = "session_without.rs"]
mod session;
#[cfg(feature = "websocket")]
mod websocket;
#[cfg(not(feature = "websocket"))]
#[path = "websocket_without.rs"]
mod websocket;

pub use body::GuardBody;
pub use clock::{Clock, SystemClock};
pub use connection::{Connection, ConnectionSource, ExtensionsSource};
pub use guard::{GuardLayer, GuardService, ResponseFuture, guard_layer};
pub use observe_override::ObserveOverride;
pub use reply::{BriefReply, Reply};
#[cfg(feature = "websocket")]
pub use session::Sessions;
