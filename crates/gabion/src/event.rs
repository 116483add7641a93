//! Events: every verdict but a pass, bans, policy changes, sessions; and the sinks that take them.

pub use gabion_core::{
    AccessDenial, AccessRecord, AccessSink, AuditAction, AuditEvent, BanChange, BanEvent,
    ClaimRemovedEvent, CloseReason, ConnectionLimit, ConnectionRefusedEvent, Diagnosis,
    DiagnosisCounters, DiagnosisEvent, Event, EventClass, EventId, FaultEvent, Judgment, LogChange,
    LogEvent, Meter, PolicyEvent, ProbeHitEvent, ProxyFailureEvent, Redacted, RequestEvent,
    RequestEventKind, SessionEvent, SessionId, SessionKind, Sink, StoreChange, StoreEvent,
    StorePart, Suppressed, UnparsableEvent, UnparsablePart, UpstreamEvent, UpstreamState,
    WebSocketPhase,
};
#[cfg(feature = "logs")]
pub use gabion_sinks::{
    AccessFormat, AccessLog, Combined, Ecs, EventLog, LineLog, LogTarget, OnLogEvent, Pseudonym,
    Pseudonyms, Rotation, ShortKey,
};
#[cfg(any(feature = "logs", feature = "metrics", feature = "tracing"))]
pub use gabion_sinks::{Bounded, Channel, EventBudget, EventRing, Tracing};
#[cfg(feature = "metrics")]
pub use gabion_sinks::{MetricDescription, MetricKind, Metrics};
