//! The wall of gabion: one tower layer that enforces any inspector.
//!
//! [`GuardLayer`] judges the head of each request, before the service sees it, and answers in the
//! service's place where the verdict is a refusal. One adapter serves every rule: whatever
//! implements [`Inspect`](gabion_core::Inspect) can stand alone in a stack, and a whole
//! policy is an inspector too.
//!
//! The guarded service is never weakened: `poll_ready` is its own, its error type passes through
//! unchanged (a denial is a response), it need not be `Clone`, request bodies and extensions are
//! handed on as they came, and the body of a response, that of a 101 or a CONNECT among them, is
//! never rebuilt.
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
//! // The connection tells the layer who is at the other end of the socket.
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
//! projects futures without `unsafe`. Feature `upgrade` (default) adds hyper, whose extensions are
//! the only place where an extended CONNECT says its protocol and where a connection can be taken
//! over; `gabion-frames`, which follows what passes then; and `atomic-waker`, by which a session is
//! reached without a lock. Without it every CONNECT is taken for a tunnel, and no session is watched.

mod body;
mod clock;
mod connection;
mod guard;
mod observe_override;
mod protocol;
mod reply;
#[cfg(feature = "websocket")]
mod websocket;
#[cfg(not(feature = "websocket"))]
#[path = "websocket_without.rs"]
mod websocket;

pub use body::GuardBody;
pub use clock::{Clock, SystemClock};
pub use connection::{ConnectionSource, ExtensionsSource};
pub use guard::{GuardLayer, GuardService, ResponseFuture, guard_layer};
pub use observe_override::ObserveOverride;
pub use reply::{BriefReply, Reply};
#[cfg(feature = "websocket")]
pub use websocket::{SessionEnforcer, Sessions};
