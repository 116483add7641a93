//! The way of a response.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    engine::{Engine, Exchange},
    quota,
};
use crate::GuardBody;

pin_project! {
    /// The response of a guarded service.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        way: Way<F>,
    }
}

pin_project! {
    #[project = WayProjection]
    enum Way<F> {
        Inner {
            #[pin]
            inner: F,
            // What there is to learn once the service has answered.
            learning: Option<(Arc<Engine>, Exchange)>,
        },
        Answered {
            response: Option<Response<Bytes>>,
        },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn passing(inner: F, engine: Arc<Engine>, exchange: Exchange) -> Self {
        let learning = Some((engine, exchange));
        let way = Way::Inner { inner, learning };
        Self { way }
    }

    pub(super) const fn unjudged(inner: F) -> Self {
        let learning = None;
        let way = Way::Inner { inner, learning };
        Self { way }
    }

    pub(super) const fn answered(response: Response<Bytes>) -> Self {
        let response = Some(response);
        let way = Way::Answered { response };
        Self { way }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<GuardBody<B>>, E>;

    #[expect(
        clippy::expect_used,
        reason = "polling a finished future is the caller's bug"
    )]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            WayProjection::Inner { inner, learning } => {
                let mut response = ready!(inner.poll(cx))?;
                let mut hold = None;
                if let Some((engine, exchange)) = learning.take() {
                    engine.open_or_release(&exchange, response.status(), response.headers());
                    let length = response.body().size_hint().exact();
                    engine.on_response(&exchange, response.status(), length);
                    hold = engine.hold(&exchange, response.headers());
                    if !response.status().is_informational() {
                        quota::show(exchange.state(), response.headers_mut());
                    }
                }
                Poll::Ready(Ok(response.map(|body| match hold {
                    Some(hold) => GuardBody::held(body, hold),
                    None => GuardBody::inner(body),
                })))
            }
            WayProjection::Answered { response } => {
                let response = response.take().expect("polled after completion");
                Poll::Ready(Ok(response.map(GuardBody::denial)))
            }
        }
    }
}

impl<F> std::fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
