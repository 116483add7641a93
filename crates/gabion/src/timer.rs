//! What waits when nobody says by what.

use std::sync::Arc;

use hyper::rt::Timer;

pub(crate) type Shared = Arc<dyn Timer + Send + Sync>;

#[cfg(feature = "axum")]
#[expect(clippy::unnecessary_wraps, reason = "without axum there is none")]
pub(crate) fn default() -> Option<Shared> {
    Some(Arc::new(hyper_util::rt::TokioTimer::new()))
}

#[cfg(not(feature = "axum"))]
pub(crate) fn default() -> Option<Shared> {
    None
}
