//! Core types of the gabion web-application firewall: requests, verdicts and events.
//!
//! The head of a request is resolved to [`Facts`]: the client ([`ClientIp`]), the forms in which
//! servers may interpret the path ([`PathViews`]), the upgrade that it offers ([`Upgrade`]). An
//! [`Inspect`] judges the facts and returns a [`Verdict`]. The enforcing service turns a [`Denial`]
//! into a response and an [`Event`].
//!
//! This crate does no IO, reads no clock and logs nothing: time is passed in as [`Facts::now`], and
//! events are returned by value or passed to a [`Sink`]. It depends on `http` and `ipnet` because
//! their types are in its API, and on `thiserror` for its errors.
//!
//! # Examples
//!
//! A custom rule:
//!
//! ```
//! use gabion_core::{Denial, Facts, Inspect, RequestState, Verdict};
//!
//! struct NoDebugging;
//!
//! impl Inspect for NoDebugging {
//!     fn name(&self) -> &'static str {
//!         "debugging"
//!     }
//!
//!     fn inspect(&self, facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
//!         match facts.headers.get("x-debug") {
//!             Some(value) => Denial::forbidden("no-debugging", "header x-debug is not allowed")
//!                 .with_evidence(value.as_bytes())
//!                 .into(),
//!             None => Verdict::Pass,
//!         }
//!     }
//! }
//! ```

#![warn(clippy::indexing_slicing)]

mod access;
mod attribution;
mod ban;
mod body_limit;
mod client;
mod diagnosis;
mod event;
mod evidence;
mod facts;
mod framing;
mod hash;
mod head;
mod headers;
mod inspect;
mod limit_counts;
mod message;
mod meter;
mod now;
mod path;
mod quota;
mod remote_limits;
mod rule;
mod session;
mod source;
mod tokens;
mod upgrade;
mod verdict;
mod words;

pub use access::{AccessDenial, AccessRecord, AccessSink, WebSocketPhase};
pub use attribution::Attribution;
pub use ban::{
    AllowRecord, BanOutcome, BanRecord, BanSnapshot, BanSource, BanUpdate, Offense, OffenseHistory,
    OffenseRecorder, Placement, UpdateOrigin,
};
pub use body_limit::BodyLimit;
#[cfg(feature = "axum")]
pub use client::MissingClientIp;
pub use client::{
    BuildClientKeyHasher, Claim, ClaimSet, ClientDerivation, ClientHop, ClientIp, ClientKey,
    ClientKeyHasher, ClientRules, ForwardedHeader, HopRole, PeerAddr, Protected, Scheme, TooWide,
    folded_name,
};
pub use diagnosis::{Diagnosis, DiagnosisCounters};
pub use event::{
    AuditAction, AuditEvent, BanChange, BanEvent, ClaimRemovedEvent, ConnectionLimit,
    ConnectionRefusedEvent, DiagnosisEvent, Event, EventClass, FaultEvent, LogChange, LogEvent,
    PolicyEvent, ProbeHitEvent, ProxyFailureEvent, RequestEvent, RequestEventKind, SessionEvent,
    Sink, StoreChange, StoreEvent, StorePart, Suppressed, UnparsableEvent, UnparsablePart,
    UpstreamEvent, UpstreamState,
};
pub use evidence::{Escaped, Evidence, Redacted};
pub use facts::{Facts, Resolution};
pub use framing::Framing;
pub use hash::{append_stable_hash, stable_hash};
pub use head::Head;
pub use headers::{HeaderIndex, HeaderLines, KnownHeader, is_irregular_name};
pub use inspect::{
    Explanation, ExplanationStep, Findings, Inspect, InspectMessage, Needs, Outcome, RequestState,
    Slot, Slots,
};
pub use limit_counts::{LimitCount, LimitCounts};
pub use message::{ControlKind, MessageDenial, MessageDenials, MessageEvidence, MessageFacts};
pub use meter::{Judgment, Meter};
pub use now::Now;
pub use path::{
    Malformed, NameFilter, PathClasses, PathPrefixes, PathViews, Segment, Segments,
    Transformations, View, query_text,
};
pub use quota::Quota;
pub use remote_limits::{RemoteCheck, RemoteLimits};
pub use rule::{Mode, RuleId, RuleIdError};
pub use session::{
    ChangeListener, ChangeListeners, CloseReason, MessageKinds, RouteLimits, SessionId,
    SessionKind, SessionLimits,
};
pub use source::{Forward, OnFault, PolicySource, Snapshot};
pub use tokens::{has_token, tokens};
pub use upgrade::Upgrade;
pub use verdict::{Cause, Denial, EventId, Reason, Verdict};
