//! Which requests are sent a second time.

use http::{HeaderMap, Method, Request, Uri};
use http_body::Body as _;

use super::upload::Upload;

/// What is kept of a request to send it again.
///
/// A server that restarts, or has had enough of an idle connection, closes it while a request is on
/// its way there. Where that is safe and has no body it is sent again, once, over a new connection (RFC
/// 9110, 9.2.2).
#[derive(Debug)]
pub(super) struct RetryableRequest {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl RetryableRequest {
    /// None where the request must not be repeated.
    pub(super) fn from_request(request: &Request<Upload>) -> Option<Self> {
        let is_retryable = request.method().is_safe() && request.body().is_end_stream();
        is_retryable.then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        })
    }

    /// The request once more.
    pub(super) fn into_request(self) -> Request<Upload> {
        let mut request = Request::new(Upload::none());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

/// Whether this is how a connection ends that the other side closed, and not what it said.
pub(super) fn is_connection_loss(error: &hyper::Error) -> bool {
    !error.is_parse() && !error.is_user()
}
