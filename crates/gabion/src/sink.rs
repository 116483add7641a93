//! Default destinations of events.

use std::sync::Arc;

use gabion_core::Sink;

/// The destination of events of layers that set none: `tracing`, within one event budget for the whole
/// process. `None` without the feature `tracing`.
#[cfg(feature = "tracing")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "there is none without the feature"
)]
pub(crate) fn shared() -> Option<Arc<dyn Sink>> {
    use std::sync::LazyLock;

    use gabion_sinks::{Bounded, EventBudget, Tracing};

    static SHARED: LazyLock<Arc<Bounded<Tracing>>> =
        LazyLock::new(|| Arc::new(Bounded::new(Tracing::default(), EventBudget::default())));
    Some(SHARED.clone())
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn shared() -> Option<Arc<dyn Sink>> {
    None
}
