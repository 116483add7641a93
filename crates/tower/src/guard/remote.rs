//! Requests that wait for a decision about exact limits.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use gabion_core::{Facts, RemoteCheck, Snapshot, Verdict};
use http::{Request, Response};

use super::{exchange::Exchange, judgment::head};
use crate::engine::Engine;

/// The wait of one request. The inner service's future is not polled before its end, and never if the request is
/// denied.
pub(super) struct RemoteWait {
    /// In a mutex only so that the wait is `Sync`.
    answer: Mutex<Answer>,
    checks: Vec<RemoteCheck>,
    /// A copy of the head, for the denial.
    head: Request<()>,
}

type Answer = Pin<Box<dyn Future<Output = Vec<Duration>> + Send>>;

impl Engine {
    /// Starts the wait of a request that passed, if exact limits apply to it.
    #[inline]
    pub(super) fn wait_for_remote<B>(
        &self,
        request: &Request<B>,
        exchange: &mut Exchange,
    ) -> Option<Box<RemoteWait>> {
        let remote = self.remote_limits.as_ref()?;
        let checks = exchange.state.take_remote_checks();
        if checks.is_empty() {
            return None;
        }
        Some(Box::new(RemoteWait {
            answer: Mutex::new(remote.check(&checks)),
            checks,
            head: copy_head(request),
        }))
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

// === impl RemoteWait ===

impl RemoteWait {
    /// Returns the response if the request is denied, once that is known.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        engine: &Engine,
        policy: &Snapshot,
        exchange: &mut Exchange,
    ) -> Poll<Option<Response<Bytes>>> {
        let answer = self.answer.get_mut();
        let answer = answer.unwrap_or_else(PoisonError::into_inner);
        let waits = ready!(answer.as_mut().poll(cx));
        if waits.iter().all(Duration::is_zero) {
            return Poll::Ready(None);
        }
        Poll::Ready(self.deny(engine, policy, exchange, &waits))
    }

    #[cold]
    fn deny(
        &mut self,
        engine: &Engine,
        policy: &Snapshot,
        exchange: &mut Exchange,
        waits: &[Duration],
    ) -> Option<Response<Bytes>> {
        let connection = engine.connection.connection(self.head.extensions())?;
        let now = exchange.state.now();
        let mut facts = Facts::unresolved(head(&self.head, &connection), connection.peer, now);
        facts.resolve_by(&policy.client, policy.needs);
        for (check, wait) in self.checks.drain(..).zip(waits) {
            if wait.is_zero() {
                continue;
            }
            let denial = check.denial.with_retry_after(*wait);
            match engine.observe_override.apply(denial.into(), now) {
                Verdict::Deny(denial) if denial.is_observed() => {
                    engine.observe(&facts, exchange, denial);
                }
                Verdict::Deny(denial) => {
                    return Some(engine.deny(&facts, policy, exchange, denial));
                }
                Verdict::Pass | Verdict::Allow(_) => {}
            }
        }
        exchange.state.keep_target(&facts);
        None
    }
}
