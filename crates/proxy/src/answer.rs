//! Responses of layers that answer some requests themselves.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of the inner service, or a short text of a layer.
    #[derive(Debug)]
    #[project = BodyProjection]
    pub struct AnsweredBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = KindProjection]
    enum Kind<B> {
        Passed { #[pin] body: B },
        Text { text: Bytes },
    }
}

pin_project! {
    /// The response future of the inner service, or the answer of a layer.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct AnsweredFuture<F> {
        #[pin]
        state: AnswerState<F>,
        added: Option<(HeaderName, HeaderValue)>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProjection]
    enum AnswerState<F> {
        Passed { #[pin] future: F },
        Answered { response: Option<Response<Bytes>> },
    }
}

// === impl AnsweredFuture ===

impl<F> AnsweredFuture<F> {
    pub(crate) const fn passed(future: F) -> Self {
        Self {
            state: AnswerState::Passed { future },
            added: None,
        }
    }

    pub(crate) const fn answered(response: Response<Bytes>) -> Self {
        let response = Some(response);
        Self {
            state: AnswerState::Answered { response },
            added: None,
        }
    }

    /// Adds a header to the response of the inner service, unless it has one of this name.
    pub(crate) fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        let added = Some((name, value));
        Self { added, ..self }
    }
}

impl<F, B, E> Future for AnsweredFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<AnsweredBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            StateProjection::Passed { future } => {
                let mut response = ready!(future.poll(cx))?;
                if let Some((name, value)) = this.added.take() {
                    response.headers_mut().entry(name).or_insert(value);
                }
                Poll::Ready(Ok(response.map(AnsweredBody::passed)))
            }
            StateProjection::Answered { response } => {
                let response = response.take().unwrap_or_default();
                Poll::Ready(Ok(response.map(AnsweredBody::text)))
            }
        }
    }
}

// === impl AnsweredBody ===

impl<B> AnsweredBody<B> {
    pub(crate) const fn passed(body: B) -> Self {
        Self {
            kind: Kind::Passed { body },
        }
    }

    pub(crate) const fn text(text: Bytes) -> Self {
        Self {
            kind: Kind::Text { text },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for AnsweredBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Passed { body } => body.poll_frame(cx),
            KindProjection::Text { text } if text.is_empty() => Poll::Ready(None),
            KindProjection::Text { text } => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(text)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { body } => body.is_end_stream(),
            Kind::Text { text } => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { body } => body.size_hint(),
            Kind::Text { text } => SizeHint::with_exact(text.len() as u64),
        }
    }
}
