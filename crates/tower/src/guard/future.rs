//! The response future of a guarded service.

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

use super::{exchange::Exchange, quota};
use crate::{GuardBody, engine::Engine};

pin_project! {
    /// The future returned by [`GuardService`](crate::GuardService): resolves to the inner
    /// service's response or to a denial, with a [`GuardBody`]. The inner service's error passes
    /// unchanged.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        // The inspectors process the response.
        Judged {
            #[pin]
            inner: F,
            engine: Arc<Engine>,
            exchange: Exchange,
        },
        // Judgment failed.
        Unjudged {
            #[pin]
            inner: F,
        },
        Respond {
            response: Option<Response<Bytes>>,
        },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn passed(inner: F, engine: Arc<Engine>, exchange: Exchange) -> Self {
        Self {
            state: State::Judged {
                inner,
                engine,
                exchange,
            },
        }
    }

    pub(super) const fn unjudged(inner: F) -> Self {
        let state = State::Unjudged { inner };
        Self { state }
    }

    pub(super) const fn respond(response: Response<Bytes>) -> Self {
        let response = Some(response);
        let state = State::Respond { response };
        Self { state }
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
        match self.project().state.project() {
            StateProjection::Judged {
                inner,
                engine,
                exchange,
            } => {
                let mut response = ready!(inner.poll(cx))?;
                engine.open_or_release(exchange, response.status(), response.headers());
                let length = response.body().size_hint().exact();
                engine.on_response(exchange, response.status(), length);
                let event_stream = engine.event_stream(exchange, response.headers());
                if !response.status().is_informational() {
                    quota::add_rate_limit(&exchange.state, response.headers_mut());
                }
                Poll::Ready(Ok(response.map(|body| match event_stream {
                    Some(event_stream) => GuardBody::event_stream(body, event_stream),
                    None => GuardBody::inner(body),
                })))
            }
            StateProjection::Unjudged { inner } => {
                let response = ready!(inner.poll(cx))?;
                Poll::Ready(Ok(response.map(GuardBody::inner)))
            }
            StateProjection::Respond { response } => {
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
