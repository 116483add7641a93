//! The limits that terms ask for.

use gabion_core::SessionLimits;
use gabion_frames::{Limits, Rate};

/// What a message may cost while it is read.
fn size_limits(session_limits: &SessionLimits) -> Limits {
    Limits::new()
        .with_max_frame(session_limits.max_message)
        .with_max_message(session_limits.max_message)
        .with_max_fragments(session_limits.max_fragments)
}

/// What a client may send at all. Those who are never limited may send as many messages as they
/// like, no larger than others.
pub(super) fn for_client(session_limits: &SessionLimits, exempt: bool) -> Limits {
    let mut limits = size_limits(session_limits).with_message_time(session_limits.message_time);
    let rate = |limit: Option<u64>| {
        let per_second = limit.filter(|_| !exempt)?;
        let burst = per_second;
        Some(Rate { per_second, burst })
    };
    if let Some(rate) = rate(session_limits.messages) {
        limits = limits.with_messages(rate);
    }
    if let Some(rate) = rate(session_limits.bytes) {
        limits = limits.with_bytes(rate);
    }
    if let Some(rate) = rate(session_limits.controls) {
        limits = limits.with_controls(rate);
    }
    limits
}

/// What a client may send where the limits only observe and rules for messages act: an observer that
/// has found one thing finds no other, so what need not end the session must not be looked for.
pub(super) fn for_inspection(session_limits: &SessionLimits) -> Limits {
    size_limits(session_limits).with_message_time(std::time::Duration::MAX)
}
