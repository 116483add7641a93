//! The one service that enforces.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    future::ResponseFuture,
    shell::{Ruling, Shell},
    target,
};
use crate::GuardBody;

/// A guarded service, made by [`crate::HeadLayer`].
#[derive(Clone)]
pub struct HeadService<S> {
    inner: S,
    shell: Arc<Shell>,
}

impl<S> HeadService<S> {
    pub(super) const fn new(inner: S, shell: Arc<Shell>) -> Self {
        Self { inner, shell }
    }

    /// The service behind the wall.
    pub const fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, B, R> Service<Request<B>> for HeadService<S>
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
        match self.shell.judge(&request) {
            Ruling::Pass(mut exchange) => {
                if let Err(response) = self.shell.tap(&mut request, &mut exchange) {
                    return ResponseFuture::answered(*response);
                }
                if self.shell.hand_over_client {
                    let client = *exchange.client();
                    request.extensions_mut().insert(client);
                    if let Some(terms) = exchange.terms() {
                        request.extensions_mut().insert(terms);
                    }
                }
                self.shell.settle(&mut request);
                target::spell(&mut request, exchange.forward(), &*self.shell.server);
                let inner = self.inner.call(request);
                ResponseFuture::passing(inner, self.shell.clone(), exchange)
            }
            Ruling::Unjudged => {
                self.shell.settle(&mut request);
                ResponseFuture::unjudged(self.inner.call(request))
            }
            Ruling::Answer(response) => ResponseFuture::answered(response),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for HeadService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
