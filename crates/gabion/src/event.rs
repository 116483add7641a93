//! Events: every verdict but a pass, bans, policy changes, sessions; and the sinks that take them.

pub use gabion_core::{
    AccessDenial, AccessRecord, AccessSink, AuditAction, AuditEvent, BanChange, BanEvent,
    ClaimRemovedEvent, CloseReason, ConnectionLimit, ConnectionRefusedEvent, Diagnosis,
    DiagnosisCounters, DiagnosisEvent, Event, EventClass, EventId, FaultEvent, LogChange, LogEvent,
    PolicyEvent, ProbeHitEvent, ProxyFailureEvent, Redacted, RequestEvent, RequestEventKind,
    SessionEvent, SessionId, SessionKind, Sink, StoreChange, StoreEvent, StorePart, Suppressed,
    UnparsableEvent, UnparsablePart, UpstreamEvent, UpstreamState, WebSocketPhase,
};
#[cfg(feature = "tracing")]
pub use gabion_sinks::{
    AccessFormat, AccessLog, Bounded, Channel, Combined, Ecs, EventBudget, EventLog, EventRing,
    LineLog, LogTarget, OnLogEvent, Pseudonym, Pseudonyms, Rotation, ShortKey, Tracing,
};
