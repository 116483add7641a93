//! Values of labels: names from closed sets.

use gabion_core::{
    AuditAction, BanChange, CloseReason, ConnectionLimit, LogChange, Mode, PolicyEvent, RuleId,
    SessionKind, StoreChange, StorePart,
};

/// The value of kinds that were added after this crate.
const OTHER: &str = "other";

pub(super) const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
    }
}

pub(super) const fn ban_change(change: &BanChange) -> &'static str {
    match change {
        BanChange::Placed => "placed",
        BanChange::Withheld(_) => "withheld",
        BanChange::Suspected { .. } => "suspected",
        BanChange::Observed => "observed",
        BanChange::Evicted(_) => "evicted",
        BanChange::Surrounding(_) => "surrounding",
        BanChange::SurroundingObserved(_) => "surrounding-observed",
        _ => OTHER,
    }
}

pub(super) const fn session_kind(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::WebSocket => "websocket",
        SessionKind::EventStream => "event-stream",
        _ => OTHER,
    }
}

/// The reason, and the rule behind it.
pub(super) const fn close_reason(reason: &CloseReason) -> (&'static str, Option<&RuleId>) {
    match reason {
        CloseReason::Refused(cause) => ("refused", Some(&cause.rule)),
        CloseReason::Restart => ("restart", None),
        CloseReason::Violated { rule, .. } => ("violated", Some(rule)),
        CloseReason::MessageDenied { rule, .. } => ("message-denied", Some(rule)),
        CloseReason::Uninspectable(_) => ("uninspectable", None),
        CloseReason::NoPong => ("no-pong", None),
        CloseReason::WriteStall => ("write-stall", None),
        _ => (OTHER, None),
    }
}

pub(super) const fn audit_action(action: AuditAction) -> &'static str {
    match action {
        AuditAction::Ban => "ban",
        AuditAction::Unban => "unban",
        AuditAction::Allow => "allow",
        AuditAction::Disallow => "disallow",
        AuditAction::Forget => "forget",
        AuditAction::Import => "import",
        AuditAction::Refused => "refused",
        _ => OTHER,
    }
}

pub(super) const fn policy_change(event: &PolicyEvent) -> &'static str {
    match event {
        PolicyEvent::Replaced { .. } => "replaced",
        PolicyEvent::Kept { .. } => "rejected",
        PolicyEvent::Warned { .. } => "warned",
        PolicyEvent::Restored { .. } => "restored",
        PolicyEvent::ObserveOverride { left } if left.is_zero() => "override-ended",
        PolicyEvent::ObserveOverride { .. } => "override-started",
        _ => OTHER,
    }
}

pub(super) const fn connection_limit(limit: ConnectionLimit) -> &'static str {
    match limit {
        ConnectionLimit::Total => "total",
        ConnectionLimit::Client => "client",
        ConnectionLimit::ControlFrames => "control-frames",
        ConnectionLimit::HeadMemory => "head-memory",
        ConnectionLimit::Denied => "denied",
        _ => OTHER,
    }
}

pub(super) const fn store_part(part: StorePart) -> &'static str {
    match part {
        StorePart::Bans => "bans",
        StorePart::Events => "events",
        StorePart::Shared => "shared",
        StorePart::SharedLimits => "shared-limits",
        StorePart::ExactLimits => "exact-limits",
        _ => OTHER,
    }
}

pub(super) const fn log_change(change: &LogChange) -> &'static str {
    match change {
        LogChange::Degraded { .. } => "degraded",
        LogChange::Recovered => "recovered",
        LogChange::Dropped { .. } => "dropped",
        _ => OTHER,
    }
}

pub(super) const fn store_change(change: &StoreChange) -> &'static str {
    match change {
        StoreChange::Degraded { .. } => "degraded",
        StoreChange::Recovered => "recovered",
        StoreChange::MovedAside { .. } => "moved-aside",
        StoreChange::Overflowed { .. } => "overflowed",
        _ => OTHER,
    }
}
