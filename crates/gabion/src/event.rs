//! Events: every verdict but a pass, bans, policy changes, sessions; and the sinks that take them.

pub use gabion_core::{
    AuditAction, AuditEvent, BanChange, BanEvent, ClaimRemovedEvent, CloseReason, ConnectionLimit,
    ConnectionRefusedEvent, Diagnosis, DiagnosisCounters, DiagnosisEvent, Event, EventClass,
    EventId, FaultEvent, PolicyEvent, ProbeHitEvent, ProxyFailureEvent, Redacted, RequestEvent,
    RequestEventKind, SessionEvent, SessionId, SessionKind, Sink, StoreChange, StoreEvent,
    StorePart, Suppressed, UnparsableEvent, UnparsablePart, UpstreamEvent, UpstreamState,
};
#[cfg(feature = "tracing")]
pub use gabion_sinks::{Bounded, Channel, EventBudget, Tracing};
