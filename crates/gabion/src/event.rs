//! Events: every verdict but a pass, bans, policy changes, sessions; and the sinks that take them.

pub use gabion_core::{
    AuditAction, AuditEvent, BanChange, BanEvent, ClaimRemovedEvent, CloseReason, ConnectionLimit,
    ConnectionRefusedEvent, Diagnosis, DiagnosisCounters, DiagnosisEvent, Event, EventClass,
    EventId, FaultEvent, Judgment, Meter, PolicyEvent, ProbeHitEvent, ProxyFailureEvent, Redacted,
    RequestEvent, RequestEventKind, SessionEvent, SessionId, SessionKind, Sink, StoreChange,
    StoreEvent, StorePart, Suppressed, UnparsableEvent, UnparsablePart, UpstreamEvent,
    UpstreamState,
};
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub use gabion_sinks::{Bounded, Channel, EventBudget, Tracing};
#[cfg(feature = "metrics")]
pub use gabion_sinks::{MetricDescription, MetricKind, Metrics};
