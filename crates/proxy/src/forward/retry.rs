//! Requests that may be sent a second time.

use http::{Extensions, HeaderMap, Method, Request, Uri};
use http_body::Body as _;

use super::{
    error::{Failure, UpstreamError},
    upload::Upload,
};

/// A copy of a request's head, with which it can be sent again.
///
/// A server that restarts, or whose idle timeout expires, may close a connection while a request is
/// on its way. A request with a safe method and without a body is then sent once more, on a new
/// connection (RFC 9110, 9.2.2).
#[derive(Debug)]
pub(super) struct RetryableRequest {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// The case of the names, if it is kept.
    extensions: Extensions,
}

/// A request that may be sent: `None` once it was sent and must not be sent again.
pub(super) type RequestSlot = Option<Request<Upload>>;

/// The reason why a request has no response.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) failure: Failure,
    /// `false` if nothing of it was sent.
    pub(super) was_sent: bool,
}

// === impl RetryableRequest ===

impl RetryableRequest {
    /// Copies the head; `None` if the request must not be repeated.
    pub(super) fn from_request(request: &Request<Upload>) -> Option<Self> {
        is_retryable(request).then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
        })
    }

    /// Rebuilds the request.
    fn into_request(self) -> Request<Upload> {
        let mut request = Request::new(Upload::none());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        *request.extensions_mut() = self.extensions;
        request
    }
}

// === impl Unanswered ===

impl Unanswered {
    /// No connection could be used.
    pub(super) const fn unsent(failure: Failure) -> Self {
        Self {
            failure,
            was_sent: false,
        }
    }

    /// The slot is empty. Callers keep this from happening.
    pub(super) fn already_sent() -> Self {
        let failure = UpstreamError::Broken("the request was already sent".into());
        Self {
            failure: failure.into(),
            was_sent: true,
        }
    }

    /// The request was sent, and `error` followed. Puts the copy, if there is one, into `slot` if the upstream closed
    /// the connection.
    pub(super) fn lost(
        error: hyper::Error,
        copy: Option<RetryableRequest>,
        slot: &mut RequestSlot,
    ) -> Self {
        let copy = copy.filter(|_| is_connection_loss(&error));
        *slot = copy.map(RetryableRequest::into_request);
        Self {
            failure: error.into(),
            was_sent: true,
        }
    }
}

/// Returns `true` if the method is safe and there is no body.
pub(super) fn is_retryable(request: &Request<Upload>) -> bool {
    request.method().is_safe() && request.body().is_end_stream()
}

/// Returns `true` if the error means that the upstream closed the connection, and not that it sent
/// an invalid response.
fn is_connection_loss(error: &hyper::Error) -> bool {
    !error.is_parse() && !error.is_user()
}
