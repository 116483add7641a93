//! Limits of the frame parser, derived from session limits.

use std::sync::Arc;

use gabion_core::SessionLimits;
use gabion_frames::{BufferBudget, Limits, Rate};

/// The size limits, which bound the memory of inspection.
fn size_limits(session_limits: &SessionLimits, budget: &Arc<BufferBudget>) -> Limits {
    Limits::new()
        .with_max_frame(session_limits.max_message)
        .with_max_message(session_limits.max_message)
        .with_max_fragments(session_limits.max_fragments)
        .with_max_ratio(session_limits.max_inflate_ratio, Limits::RATIO_FLOOR)
        .with_budget(Arc::clone(budget), session_limits.max_buffered)
}

/// The limits of a client. The rates do not apply to exempt clients; the sizes do.
pub(super) fn for_client(
    session_limits: &SessionLimits,
    budget: &Arc<BufferBudget>,
    exempt: bool,
) -> Limits {
    let mut limits =
        size_limits(session_limits, budget).with_message_time(session_limits.message_time);
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

/// The limits if session limits are in observe mode and rules about messages are enforced. The
/// parser stops at the first violation, so violations that need not close the session must not be
/// looked for.
pub(super) fn for_inspection(session_limits: &SessionLimits, budget: &Arc<BufferBudget>) -> Limits {
    size_limits(session_limits, budget).with_message_time(std::time::Duration::MAX)
}
