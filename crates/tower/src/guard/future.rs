//! The response future of a guarded service.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use gabion_core::{Quota, Snapshot};
use http::{Method, Response, header::CONTENT_LENGTH};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{exchange::Exchange, quota};
use crate::{GuardBody, engine::Engine, websocket::EventStream};

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
        Inner {
            #[pin]
            inner: F,
            on_response: OnResponse,
        },
        Respond {
            response: Option<Response<Bytes>>,
        },
    }
}

/// The next step when the inner service responds.
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be an allocation per request"
)]
enum OnResponse {
    /// The inspectors of the policy process it.
    Process(Arc<Engine>, Exchange, HeldPolicy),
    /// It shows these quotas, and is unchanged otherwise.
    Show(Vec<Quota>),
    Nothing,
}

/// The policy that judged a request, until its response.
enum HeldPolicy {
    Strong(Arc<Snapshot>),
    /// While the service has no response, because a client decides how long that takes: by an upload, or
    /// by a gRPC call that it keeps open. A request that waits does not keep a replaced policy in memory.
    Weak(Weak<Snapshot>),
}

impl<F> ResponseFuture<F> {
    /// A response that the inspectors process. The inner service's future is not polled before the decision about
    /// exact limits, if one applies.
    pub(super) const fn processed(
        inner: F,
        engine: Arc<Engine>,
        exchange: Exchange,
        policy: Arc<Snapshot>,
    ) -> Self {
        let on_response = OnResponse::Process(engine, exchange, HeldPolicy::Strong(policy));
        let state = State::Inner { inner, on_response };
        Self { state }
    }

    /// A response that shows `quotas`, and is unchanged otherwise.
    pub(super) const fn showing(inner: F, quotas: Vec<Quota>) -> Self {
        let on_response = OnResponse::Show(quotas);
        let state = State::Inner { inner, on_response };
        Self { state }
    }

    pub(super) const fn unchanged(inner: F) -> Self {
        let on_response = OnResponse::Nothing;
        let state = State::Inner { inner, on_response };
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
            StateProjection::Inner { inner, on_response } => {
                if on_response.waits_for_remote()
                    && let Some(response) = ready!(on_response.poll_remote(cx))
                {
                    return Poll::Ready(Ok(response.map(GuardBody::denial)));
                }
                let Poll::Ready(response) = inner.poll(cx) else {
                    on_response.wait();
                    return Poll::Pending;
                };
                let mut response = response?;
                let event_stream = on_response.run(&mut response);
                Poll::Ready(Ok(response.map(|body| match event_stream {
                    Some(event_stream) => GuardBody::event_stream(body, event_stream),
                    None => GuardBody::inner(body),
                })))
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

// === impl OnResponse ===

impl OnResponse {
    #[inline]
    fn waits_for_remote(&self) -> bool {
        matches!(self, Self::Process(_, exchange, _) if exchange.has_remote())
    }

    /// Returns the response if an exact limit denies the request, once that is known.
    fn poll_remote(&mut self, cx: &mut Context<'_>) -> Poll<Option<Response<Bytes>>> {
        match self {
            Self::Process(engine, exchange, policy) => match policy.upgrade() {
                Some(policy) => engine.poll_remote(cx, policy, exchange),
                None => Poll::Ready(None),
            },
            Self::Show(_) | Self::Nothing => Poll::Ready(None),
        }
    }

    fn wait(&mut self) {
        if let Self::Process(_, _, policy) = self {
            policy.downgrade();
        }
    }

    /// Returns the event stream that the response is, if any.
    fn run<B: Body>(&mut self, response: &mut Response<B>) -> Option<EventStream> {
        match self {
            Self::Nothing => None,
            Self::Show(quotas) => {
                show(quotas, response);
                None
            }
            Self::Process(engine, exchange, policy) => {
                let timer = exchange.added.map(|_| engine.timer());
                engine.open_or_release(exchange, response.status(), response.headers());
                let length = length(exchange.state.method(), response);
                let policy = policy.upgrade();
                engine.on_response(policy, exchange, response.status(), length);
                let event_stream = engine.event_stream(exchange, response.headers());
                show(exchange.state.quotas(), response);
                engine.add_response_time(exchange.added, timer);
                event_stream
            }
        }
    }
}

// === impl HeldPolicy ===

impl HeldPolicy {
    fn downgrade(&mut self) {
        if let Self::Strong(policy) = self {
            *self = Self::Weak(Arc::downgrade(policy));
        }
    }

    /// Returns the policy, unless it was replaced and freed while the request waited.
    fn upgrade(&mut self) -> Option<&Snapshot> {
        if let Self::Weak(policy) = self {
            *self = Self::Strong(policy.upgrade()?);
        }
        match self {
            Self::Strong(policy) => Some(policy),
            Self::Weak(_) => None,
        }
    }
}

/// Returns the length of the content, if it is known. For HEAD it is that of the response to GET (RFC 9110,
/// 9.3.2), which only the header has.
fn length<B: Body>(method: &Method, response: &Response<B>) -> Option<u64> {
    if *method != Method::HEAD {
        return response.body().size_hint().exact();
    }
    let length = response.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn show<B>(quotas: &[Quota], response: &mut Response<B>) {
    if !response.status().is_informational() {
        quota::add_rate_limit(quotas, response.headers_mut());
    }
}
