//! The end of a connection that was to leave HTTP, and did not.
//!
//! Who asks for another protocol may speak it at once. Where the answer is no, those bytes would be
//! read as the next request, written by whomever the client speaks for (RFC 9931). So an HTTP/1
//! connection ends with such an answer, whoever gives it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use gabion_core::tokens;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONNECTION, UPGRADE},
};
use pin_project_lite::pin_project;

use crate::forward::list_contains;

/// How a request asks to leave HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpgradeRequest {
    Connect,
    Upgrade,
    None,
}

pin_project! {
    /// The answer to such a request.
    #[derive(Debug)]
    pub(super) struct UpgradeResponseFuture<F> {
        #[pin]
        response: F,
        upgrade: UpgradeRequest,
    }
}

// === impl UpgradeRequest ===

impl UpgradeRequest {
    /// `h2c` alone asks for nothing else: its client waits for the answer (RFC 7540, 3.2), and some
    /// ask so with their first request on each connection.
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
    pub(super) fn new(response: F, upgrade: UpgradeRequest) -> Self {
        Self { response, upgrade }
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
        if !keeps_open && !list_contains(response.headers(), &CONNECTION, "close") {
            let close = HeaderValue::from_static("close");
            response.headers_mut().append(CONNECTION, close);
        }
        Poll::Ready(Ok(response))
    }
}
