//! The body of a proxy response.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::download::Download;
use crate::{capacity::Place, upstream::Lease};

/// The body of a [`Proxy`](crate::Proxy)'s response: the upstream's body, streamed with its
/// trailers, or a short error text.
#[derive(Debug)]
pub struct ProxyBody {
    kind: Kind,
    /// The request is in progress until its response was sent.
    _place: Option<(Place, Option<Lease>)>,
}

#[derive(Debug)]
enum Kind {
    Upstream(Download),
    Text(Option<Bytes>),
}

// === impl ProxyBody ===

impl ProxyBody {
    pub(super) const fn empty() -> Self {
        Self {
            kind: Kind::Text(None),
            _place: None,
        }
    }

    pub(super) fn text(text: String) -> Self {
        Self {
            kind: Kind::Text(Some(text.into())),
            _place: None,
        }
    }

    pub(super) const fn upstream(body: Download, place: Place, lease: Option<Lease>) -> Self {
        Self {
            kind: Kind::Upstream(body),
            _place: Some((place, lease)),
        }
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.get_mut().kind {
            Kind::Upstream(body) => Pin::new(body).poll_frame(cx),
            Kind::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Upstream(body) => body.is_end_stream(),
            Kind::Text(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Upstream(body) => body.size_hint(),
            Kind::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
        }
    }
}
