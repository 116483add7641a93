//! Decisions about exact limits, for which requests wait.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use gabion_core::{Facts, Judgment, Snapshot, Verdict};
use http::{Request, Response};

use super::{exchange::Exchange, judgment::head, remote_wait::RemoteWait};
use crate::engine::Engine;

impl Engine {
    /// Starts the wait of a request that passed, if exact limits apply to it.
    #[inline]
    pub(super) fn wait_for_remote<B>(&self, request: &Request<B>, exchange: &mut Exchange) {
        let Some(remote) = &self.remote_limits else {
            return;
        };
        let checks = exchange.state.take_remote_checks();
        if !checks.is_empty() {
            let wait = RemoteWait::start(&**remote, checks, request);
            exchange.rare_mut().remote = Some(wait);
        }
    }

    /// Returns the response if an exact limit denies the request, once that is known.
    pub(super) fn poll_remote(
        &self,
        cx: &mut Context<'_>,
        policy: &Snapshot,
        exchange: &mut Exchange,
    ) -> Poll<Option<Response<Bytes>>> {
        let Some(wait) = &mut exchange.rare_mut().remote else {
            return Poll::Ready(None);
        };
        let waits = ready!(wait.poll(cx));
        let Some(wait) = exchange.rare_mut().remote.take() else {
            return Poll::Ready(None);
        };
        let denied = if waits.iter().all(Duration::is_zero) {
            None
        } else {
            self.deny_by_remote(policy, exchange, wait, &waits)
        };
        self.count(match denied {
            Some(_) => Judgment::Refused,
            None => Judgment::Passed,
        });
        Poll::Ready(denied)
    }

    #[cold]
    fn deny_by_remote(
        &self,
        policy: &Snapshot,
        exchange: &mut Exchange,
        wait: RemoteWait,
        waits: &[Duration],
    ) -> Option<Response<Bytes>> {
        let connection = self.connection.connection(wait.head.extensions())?;
        let now = exchange.state.now();
        let mut facts = Facts::unresolved(head(&wait.head, &connection), connection.peer, now);
        facts.resolve_by(&policy.client, policy.needs);
        for (check, wait) in wait.checks.into_iter().zip(waits) {
            if wait.is_zero() {
                continue;
            }
            let denial = check.denial.with_retry_after(*wait);
            match self.observe_override.apply(denial.into(), now) {
                Verdict::Deny(denial) if denial.is_observed() => {
                    self.observe(&facts, exchange, denial);
                }
                Verdict::Deny(denial) => return Some(self.deny(&facts, policy, exchange, denial)),
                Verdict::Pass | Verdict::Allow(_) => {}
            }
        }
        exchange.state.keep_target(&facts);
        None
    }
}
