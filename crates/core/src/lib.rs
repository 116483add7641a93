//! The words of gabion: what a request is to a guard, and what a guard may answer.
//!
//! A request's head becomes [`Facts`]: who is responsible for it ([`ClientIp`]), every way in which
//! a server might read its path ([`PathViews`]), whether it wants to leave HTTP ([`Upgrade`]). An
//! [`Inspect`] judges the facts and answers with a [`Verdict`]; whoever enforces it turns a
//! [`Denial`] into a response and an [`Event`].
//!
//! This crate does no IO, reads no clock and logs nothing: time is [`Facts::now`], and events leave
//! by value. It depends on `http` and `ipnet` because their types are its vocabulary, and on
//! `thiserror` for its errors.
//!
//! # Examples
//!
//! A rule of one's own:
//!
//! ```
//! use gabion_core::{Denial, Facts, Inspect, RequestState, Verdict};
//!
//! struct Debugger;
//!
//! impl Inspect for Debugger {
//!     fn name(&self) -> &'static str {
//!         "debugger"
//!     }
//!
//!     fn inspect(&self, facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
//!         match facts.headers.get("x-debug") {
//!             Some(value) => Denial::forbidden("debugger", "x-debug is for developers")
//!                 .with_evidence(value.as_bytes())
//!                 .into(),
//!             None => Verdict::Pass,
//!         }
//!     }
//! }
//! ```

#![warn(clippy::indexing_slicing)]

mod client;
mod diagnosis;
mod event;
mod evidence;
mod facts;
mod fnv;
mod framing;
mod inspect;
mod message;
mod now;
mod offense;
mod path;
mod quota;
mod rule;
mod session;
mod source;
mod tokens;
mod upgrade;
mod verdict;

#[cfg(feature = "axum")]
pub use client::MissingClientIp;
pub use client::{ClientIp, ClientRules, ForwardedBy, PeerAddr, Protected, Scheme, TooWide};
pub use diagnosis::{Diagnosis, DiagnosisCounters};
pub use event::{
    BanChange, BanEvent, DiagnosisEvent, Event, FaultEvent, PolicyEvent, ProbeHitEvent,
    RequestEvent, RequestEventKind, SessionEvent, Sink, Suppressed,
};
pub use evidence::{Escaped, Evidence};
pub use facts::{Facts, Head, Resolution};
pub use framing::Framing;
pub use inspect::{Explanation, ExplanationStep, Inspect, Outcome, RequestState, Ticket};
pub use message::{MessageDenial, MessageDenials, MessageEvidence, MessageFacts};
pub use now::Now;
pub use offense::{Attribution, BanOutcome, Offense, OffenseRecorder};
pub use path::{Malformed, PathViews, Transformations, View};
pub use quota::Quota;
pub use rule::{Mode, RuleId, RuleIdError};
pub use session::{
    ChangeListener, ChangeListeners, CloseReason, MessageKinds, RouteLimits, SessionId,
    SessionKind, SessionLimits,
};
pub use source::{Forward, OnFault, PolicySource, Snapshot};
pub use tokens::tokens;
pub use upgrade::Upgrade;
pub use verdict::{Cause, Denial, EventId, Reason, Verdict};
