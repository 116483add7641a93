//! A modular web-application firewall for tower, hyper and axum.
//!
//! A [`Guard`] is a policy with everything that it needs to act: bans that outlive reloads, a sink
//! for events, a clock. It makes tower layers; all of them share it.
//!
//! # Examples
//!
//! Around an axum router (feature `axum`):
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, body::Body, extract::connect_info::MockConnectInfo, routing::get};
//! use gabion::Guard;
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
//!     .fallback(get(|| async { "hello" }))
//!     .layer(guard.axum_layer());
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
//! One inspector alone is a layer too: see [`GuardLayer::new`]. A rule of one's own is an
//! [`Inspect`], added with [`GuardBuilder::add_rule`].
//!
//! Why a deny rule looks at a path in so many ways, and how guard and nginx go together, is told in
//! [`guide::paths`].
//!
//! # Features
//!
//! `tracing` (default): events go to `tracing`, bounded per client and second, unless the builder
//! is given another sink. `axum`: [`Guard::axum_layer`].

#[cfg(feature = "axum")]
mod axum;
mod guard;
pub mod guide;
mod sink;
mod timer;

pub use gabion_core::{
    Attribution, BanChange, BanEvent, BanOutcome, Cause, ClientIp, ClientRules, CloseReason,
    Denial, Diagnosis, DiagnosisCounters, DiagnosisEvent, Escaped, Event, EventId, Evidence,
    Explanation, ExplanationStep, Facts, FaultEvent, ForwardedBy, Framing, Head, Inspect,
    Malformed, MessageDenial, MessageDenials, MessageEvidence, MessageFacts, Mode, Now, Offense,
    OffenseRecorder, OnFault, Outcome, PathViews, PeerAddr, PolicyEvent, PolicySource,
    ProbeHitEvent, Reason, RequestEvent, RequestEventKind, RequestState, RuleId, Scheme,
    SessionEvent, SessionId, SessionKind, Sink, Snapshot, Suppressed, Transformations, Upgrade,
    Verdict, View,
};
pub use gabion_inspect::{
    Action, Allow, AllowConfig, Ban, BanArbiter, BanConfig, BanTable, ByteRate, ByteSize,
    Compression, Config, ConfigError, ConfigErrors, Context, Deny, DenyRule, Handshake,
    HttpVersion, IpRanges, Limit, LimitRule, LimitTable, List, ListError, MessageAction,
    MessageRule, Messages, Network, OneOrMany, Period, Ping, ProtocolConfig, ProtocolRules, Rate,
    RouteConfig, Scan, ScanConfig, Scores, ServerKind, ServerQuirks, Signals, UpgradeConfig,
};
pub use gabion_policy::{
    Chain, Diagnostic, Document, Explained, Pack, PolicyError, PolicyHandle, Replaced, Report,
    SampleRequest, SampleRequestError, ShrinkGuard, State, Watch, WatchOptions, check, explain,
};
pub use gabion_tower::{
    BriefReply, Clock, ConnectionSource, ExtensionsSource, GuardBody, GuardLayer, GuardService,
    ObserveOverride, Reply, ResponseFuture, Sessions, SystemClock,
};

#[cfg(feature = "axum")]
pub use axum::ConnectInfoSource;
#[cfg(feature = "tracing")]
pub use gabion_sinks::{Bounded, Channel, EventBudget, Tracing};
pub use guard::{Guard, GuardBuilder};
