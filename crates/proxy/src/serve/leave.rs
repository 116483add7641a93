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

use crate::forward::lists;

/// How a request asks to leave HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    ByConnect,
    ByUpgrade,
    Not,
}

pin_project! {
    /// The answer to such a request.
    #[derive(Debug)]
    pub(super) struct Leaving<F> {
        #[pin]
        answer: F,
        leave: Leave,
    }
}

// === impl Leave ===

impl Leave {
    /// `h2c` alone asks for nothing else: its client waits for the answer (RFC 7540, 3.2), and some
    /// ask so with their first request on each connection.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        if request.version() > Version::HTTP_11 {
            return Self::Not;
        }
        if request.method() == Method::CONNECT {
            return Self::ByConnect;
        }
        let mut offers = tokens(request.headers(), &UPGRADE);
        if offers.any(|offer| !offer.eq_ignore_ascii_case(b"h2c")) {
            Self::ByUpgrade
        } else {
            Self::Not
        }
    }

    fn is_granted(self, status: StatusCode) -> bool {
        match self {
            Self::ByConnect => status.is_success(),
            Self::ByUpgrade => status == StatusCode::SWITCHING_PROTOCOLS,
            Self::Not => true,
        }
    }
}

// === impl Leaving ===

impl<F> Leaving<F> {
    pub(super) fn new(answer: F, leave: Leave) -> Self {
        Self { answer, leave }
    }
}

impl<F, B, E> Future for Leaving<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.answer.poll(cx))?;
        let stays = this.leave.is_granted(response.status());
        if !stays && !lists(response.headers(), &CONNECTION, "close") {
            let close = HeaderValue::from_static("close");
            response.headers_mut().append(CONNECTION, close);
        }
        Poll::Ready(Ok(response))
    }
}
