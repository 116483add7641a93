//! The only service that enforces verdicts.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use gabion_core::Judgment;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{exchange::Exchange, future::ResponseFuture, judgment::Decision, offer, target};
use crate::{GuardBody, engine::Engine};

/// A guarded service, made by [`GuardLayer`](crate::GuardLayer). Its responses have a
/// [`GuardBody`], and its future is a [`ResponseFuture`](crate::ResponseFuture).
///
/// It is `Clone` if the inner service is. `poll_ready` and errors are the inner service's.
#[derive(Clone)]
pub struct GuardService<S> {
    inner: S,
    engine: Arc<Engine>,
}

impl<S> GuardService<S> {
    pub(super) const fn new(inner: S, engine: Arc<Engine>) -> Self {
        Self { inner, engine }
    }

    /// Returns the inner service.
    pub const fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, B, R> Service<Request<B>> for GuardService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<GuardBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let timer = self.engine.start_timer();
        let mut decision = self.engine.judge(&request);
        if let Decision::Pass(exchange, _) = &mut decision {
            self.engine.wait_for_remote(&request, exchange);
            if let Err(response) = self.engine.prepare(&mut request, exchange) {
                decision = Decision::Respond(*response);
            }
        }
        if let Some(judgment) = decision.judgment() {
            self.engine.count(judgment);
        }
        let added = timer.map(|timer| self.engine.elapsed(timer));
        match decision {
            Decision::Pass(mut exchange, policy)
                if exchange.has_remote() || self.engine.needs_response(&policy, &exchange) =>
            {
                exchange.added = added;
                let inner = self.inner.call(request);
                ResponseFuture::processed(inner, self.engine.clone(), exchange, policy.into_owned())
            }
            Decision::Pass(exchange, _) => {
                self.engine.add_time(Judgment::Passed, added);
                let inner = self.inner.call(request);
                ResponseFuture::showing(inner, exchange.state.into_quotas())
            }
            Decision::Unjudged(upgrade_offer) => {
                self.engine.add_time(Judgment::Unjudged, added);
                if let Some(upgrade) = upgrade_offer {
                    offer::strip(&mut request, upgrade);
                }
                ResponseFuture::unchanged(self.inner.call(request))
            }
            Decision::Respond(response) => {
                self.engine.add_time(Judgment::Refused, added);
                ResponseFuture::respond(response)
            }
        }
    }
}

impl Engine {
    /// Changes a request that passes, before the inner service receives it. Returns a response if a WebSocket
    /// handshake cannot be supervised.
    fn prepare<B>(
        &self,
        request: &mut Request<B>,
        exchange: &mut Exchange,
    ) -> Result<(), Box<Response<Bytes>>> {
        self.tap(request, exchange)?;
        if let Some(resolution) = exchange.resolution.take() {
            request.extensions_mut().insert(resolution);
        }
        if exchange.changes.inserts_client {
            let session = exchange.session();
            let limits = session.and_then(|session| session.shared_limits());
            let extensions = request.extensions_mut();
            extensions.insert(*exchange.state.client());
            if let Some(limits) = limits {
                extensions.insert(limits);
            }
        }
        if let Some(limit) = exchange.state.body_limit()
            && !self.is_overridden(exchange.state.now())
        {
            request.extensions_mut().insert(limit);
        }
        if let Some(upgrade) = exchange.changes.upgrade_offer {
            offer::strip(request, upgrade);
        }
        if exchange.changes.makes_canonical {
            target::make_canonical(request);
        }
        Ok(())
    }
}

impl<S: fmt::Debug> fmt::Debug for GuardService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
