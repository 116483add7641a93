//! Custom rules: the trait [`Inspect`], the [`Facts`] that it judges, and the [`Verdict`] that it returns.
//!
//! A rule of your own is an [`Inspect`], added with `GuardBuilder::add_rule` or used as a layer with
//! [`GuardLayer::new`](crate::GuardLayer::new). The built-in inspectors compile from their configs with
//! [`Config::compile`].

pub use gabion_core::{
    BodyLimit, Cause, ControlKind, Denial, Escaped, Evidence, Explanation, ExplanationStep, Facts,
    Findings, Framing, Head, HeaderIndex, HeaderLines, Inspect, InspectMessage, KnownHeader,
    Malformed, MessageDenial, MessageDenials, MessageEvidence, MessageFacts, MessageKinds, Mode,
    Needs, Now, OnFault, Outcome, PathClasses, PathViews, Reason, RequestState, Resolution, RuleId,
    RuleIdError, Segment, Segments, Slot, Slots, Transformations, Upgrade, Verdict, View,
};
pub use gabion_inspect::{
    Allow, AllowConfig, Ban, Config, ConfigError, ConfigErrors, ConfigPath, Context, Handshake,
    HostAllowlist, KnownWebSocketPaths, Messages, OneOrMany, PlainHttpHint, Problem, ProtocolRules,
    Sequence, ServerQuirks, State,
};
pub use gabion_tower::{
    BriefReply, Clock, GuardBody, GuardLayer, GuardService, ObserveOverride, Reply, ResponseFuture,
    SystemClock,
};
