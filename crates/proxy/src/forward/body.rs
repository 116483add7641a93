//! The body of a proxy response.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use super::download::Download;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body of a [`Proxy`](crate::Proxy)'s response: the upstream's body, streamed with its
/// trailers, or a short error text.
#[derive(Debug)]
pub struct ProxyBody(Kind);

#[derive(Debug)]
enum Kind {
    Upstream(Download),
    Text(Option<Bytes>),
}

// === impl ProxyBody ===

impl ProxyBody {
    pub(super) const fn empty() -> Self {
        Self(Kind::Text(None))
    }

    pub(super) fn text(text: String) -> Self {
        Self(Kind::Text(Some(text.into())))
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
            Kind::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Upstream(body) => body.is_end_stream(),
            Kind::Text(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Upstream(body) => body.size_hint(),
            Kind::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
        }
    }
}
