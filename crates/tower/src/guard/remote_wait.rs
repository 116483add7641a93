//! The wait of a request for a decision about exact limits.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use gabion_core::{RemoteCheck, RemoteLimits};
use http::Request;

/// The wait of one request. The inner service's future is not polled before its end, and never if the request is
/// denied.
pub(super) struct RemoteWait {
    /// In a mutex only so that the wait is `Sync`.
    answer: Mutex<Answer>,
    pub(super) checks: Vec<RemoteCheck>,
    /// A copy of the head, for the denial.
    pub(super) head: Request<()>,
}

type Answer = Pin<Box<dyn Future<Output = Vec<Duration>> + Send>>;

// === impl RemoteWait ===

impl RemoteWait {
    /// Asks `remote` about a request.
    pub(super) fn start<B>(
        remote: &dyn RemoteLimits,
        checks: Vec<RemoteCheck>,
        request: &Request<B>,
    ) -> Self {
        let answer = Mutex::new(remote.check(&checks));
        let head = copy_head(request);
        Self {
            answer,
            checks,
            head,
        }
    }

    /// Returns for each check the time until there is enough, once that is known.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Duration>> {
        let answer = self.answer.get_mut();
        let answer = answer.unwrap_or_else(PoisonError::into_inner);
        answer.as_mut().poll(cx)
    }
}

fn copy_head<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.uri_mut().clone_from(request.uri());
    *head.version_mut() = request.version();
    head.headers_mut().clone_from(request.headers());
    head.extensions_mut().clone_from(request.extensions());
    head
}
