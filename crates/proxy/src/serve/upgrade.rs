//! Closing of HTTP/1 connections after a refused upgrade.
//!
//! A client that requests another protocol may send its bytes at once. If the upgrade is refused,
//! those bytes would be parsed as the next request, although a third party may have written them
//! (RFC 9931). An HTTP/1 connection therefore ends with such a response, no matter which layer sent
//! it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use gabion_core::{has_token, tokens};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONNECTION, UPGRADE},
};
use pin_project_lite::pin_project;

use super::framing::FramingQueue;

/// A request to leave HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpgradeRequest {
    Connect,
    Upgrade,
    None,
}

pin_project! {
    /// The response future of a request, which adds `Connection: close` to a refused upgrade, and reports a
    /// granted one to the connection.
    #[derive(Debug)]
    pub(super) struct UpgradeResponseFuture<F> {
        #[pin]
        response: F,
        upgrade: UpgradeRequest,
        queue: Option<Arc<FramingQueue>>,
    }
}

// === impl UpgradeRequest ===

impl UpgradeRequest {
    /// Classifies a request. An upgrade to `h2c` alone does not count: its client waits for the
    /// response (RFC 7540, 3.2), and some clients offer it with the first request on each
    /// connection.
    pub(super) fn from_request<B>(request: &Request<B>) -> Self {
        if request.version() > Version::HTTP_11 {
            return Self::None;
        }
        if request.method() == Method::CONNECT {
            return Self::Connect;
        }
        let mut offers = tokens(request.headers(), &UPGRADE);
        if offers.any(|offer| !offer.eq_ignore_ascii_case(b"h2c")) {
            Self::Upgrade
        } else {
            Self::None
        }
    }

    fn is_granted(self, status: StatusCode) -> bool {
        match self {
            Self::Connect => status.is_success(),
            Self::Upgrade => status == StatusCode::SWITCHING_PROTOCOLS,
            Self::None => true,
        }
    }
}

// === impl UpgradeResponseFuture ===

impl<F> UpgradeResponseFuture<F> {
    pub(super) fn new(response: F, upgrade: UpgradeRequest, queue: &Arc<FramingQueue>) -> Self {
        let queue = (upgrade != UpgradeRequest::None).then(|| Arc::clone(queue));
        Self {
            response,
            upgrade,
            queue,
        }
    }
}

impl<F, B, E> Future for UpgradeResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.response.poll(cx))?;
        let keeps_open = this.upgrade.is_granted(response.status());
        if let Some(queue) = this.queue.take().filter(|_| keeps_open) {
            queue.set_upgraded();
        }
        if !keeps_open {
            announce_close(response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}

/// Announces that the connection ends with this response.
pub(super) fn announce_close(headers: &mut HeaderMap) {
    if !has_token(headers, &CONNECTION, "close") {
        headers.append(CONNECTION, HeaderValue::from_static("close"));
    }
}
