//! The response body of a guarded service.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::websocket::EventStream;

pin_project! {
    /// The response body of a [`GuardService`](crate::GuardService): the body of the inner service,
    /// unchanged, or the text of a denial from a [`Reply`](crate::Reply).
    ///
    /// The body of an event stream, such as server-sent events, ends early if its session is
    /// closed, for example because its client was banned. [`ResponseFuture`](crate::ResponseFuture)
    /// makes this body. Its error type is the inner body's.
    pub struct GuardBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Inner {
            #[pin]
            body: B,
        },
        EventStream {
            #[pin]
            body: B,
            stream: Box<EventStream>,
        },
        // `None` after the text is sent.
        Denial {
            text: Option<Bytes>,
        },
    }
}

impl<B> GuardBody<B> {
    pub(crate) const fn inner(body: B) -> Self {
        let kind = Kind::Inner { body };
        Self { kind }
    }

    pub(crate) fn event_stream(body: B, stream: EventStream) -> Self {
        let stream = Box::new(stream);
        let kind = Kind::EventStream { body, stream };
        Self { kind }
    }

    pub(crate) fn denial(text: Bytes) -> Self {
        let text = Some(text).filter(|text| !text.is_empty());
        let kind = Kind::Denial { text };
        Self { kind }
    }
}

impl<B: fmt::Debug> fmt::Debug for GuardBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Inner { body } => f.debug_tuple("Inner").field(body).finish(),
            Kind::EventStream { body, .. } => f.debug_tuple("EventStream").field(body).finish(),
            Kind::Denial { text } => f.debug_tuple("Denial").field(text).finish(),
        }
    }
}

impl<B: Body<Data = Bytes>> Body for GuardBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut kind = self.project().kind;
        match kind.as_mut().project() {
            KindProjection::Inner { body } => body.poll_frame(cx),
            KindProjection::EventStream { body, stream } => {
                if stream.poll_end(cx).is_pending() {
                    return body.poll_frame(cx);
                }
                // Dropping the service's body reports to the service that the client is gone.
                kind.set(Kind::Denial { text: None });
                Poll::Ready(None)
            }
            KindProjection::Denial { text } => {
                Poll::Ready(text.take().map(|text| Ok(Frame::data(text))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } | Kind::EventStream { body, .. } => body.is_end_stream(),
            Kind::Denial { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } | Kind::EventStream { body, .. } => body.size_hint(),
            Kind::Denial { text } => {
                let len = text.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(len).unwrap_or(u64::MAX))
            }
        }
    }
}
