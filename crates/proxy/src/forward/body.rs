//! The body of an answer.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use super::download::Download;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body of a [`Proxy`](crate::Proxy)'s answer: the upstream's, streamed with its trailers, or a
/// few words of our own.
#[derive(Debug)]
pub struct ProxyBody(Kind);

#[derive(Debug)]
enum Kind {
    Upstream(Download),
    Words(Option<Bytes>),
}

// === impl ProxyBody ===

impl ProxyBody {
    pub(super) const fn empty() -> Self {
        Self(Kind::Words(None))
    }

    pub(super) fn words(words: String) -> Self {
        Self(Kind::Words(Some(words.into())))
    }
}

impl From<Download> for ProxyBody {
    fn from(body: Download) -> Self {
        Self(Kind::Upstream(body))
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.get_mut().0 {
            Kind::Upstream(body) => Pin::new(body).poll_frame(cx),
            Kind::Words(words) => Poll::Ready(words.take().map(|words| Ok(Frame::data(words)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Upstream(body) => body.is_end_stream(),
            Kind::Words(words) => words.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Upstream(body) => body.size_hint(),
            Kind::Words(words) => {
                SizeHint::with_exact(words.as_ref().map_or(0, |words| words.len() as u64))
            }
        }
    }
}
