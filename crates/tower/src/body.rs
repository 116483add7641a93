//! The body of whatever is answered.

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
    /// The service's own body, unchanged, or the words of a denial. A body that is a stream of events
    /// ends early where its client is banned.
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
        Held {
            #[pin]
            body: B,
            hold: Box<EventStream>,
        },
        // The words, until they are sent.
        Denial {
            words: Option<Bytes>,
        },
    }
}

impl<B> GuardBody<B> {
    pub(crate) const fn inner(body: B) -> Self {
        let kind = Kind::Inner { body };
        Self { kind }
    }

    pub(crate) fn held(body: B, hold: EventStream) -> Self {
        let hold = Box::new(hold);
        let kind = Kind::Held { body, hold };
        Self { kind }
    }

    pub(crate) fn denial(words: Bytes) -> Self {
        let words = Some(words).filter(|words| !words.is_empty());
        let kind = Kind::Denial { words };
        Self { kind }
    }
}

impl<B: fmt::Debug> fmt::Debug for GuardBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Inner { body } => f.debug_tuple("Inner").field(body).finish(),
            Kind::Held { body, .. } => f.debug_tuple("Held").field(body).finish(),
            Kind::Denial { words } => f.debug_tuple("Denial").field(words).finish(),
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
            KindProjection::Held { body, hold } => {
                if hold.poll_end(cx).is_pending() {
                    return body.poll_frame(cx);
                }
                // The service's body is dropped: it learns that nobody listens.
                kind.set(Kind::Denial { words: None });
                Poll::Ready(None)
            }
            KindProjection::Denial { words } => {
                Poll::Ready(words.take().map(|words| Ok(Frame::data(words))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } | Kind::Held { body, .. } => body.is_end_stream(),
            Kind::Denial { words } => words.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } | Kind::Held { body, .. } => body.size_hint(),
            Kind::Denial { words } => {
                let len = words.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(len).unwrap_or(u64::MAX))
            }
        }
    }
}
