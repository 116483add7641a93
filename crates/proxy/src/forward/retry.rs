//! Retries of requests on a fresh connection.

use http::{Extensions, HeaderMap, Method, Request, Uri};
use http_body::Body as _;

use super::upload::Upload;

/// A copy of a request's head for one retry.
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

impl RetryableRequest {
    /// Copies the head; `None` if the request must not be repeated.
    pub(super) fn from_request(request: &Request<Upload>) -> Option<Self> {
        let is_retryable = request.method().is_safe() && request.body().is_end_stream();
        is_retryable.then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
        })
    }

    /// Rebuilds the request.
    pub(super) fn into_request(self) -> Request<Upload> {
        let mut request = Request::new(Upload::none());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        *request.extensions_mut() = self.extensions;
        request
    }
}

/// Returns `true` if the error means that the upstream closed the connection, and not that it sent
/// an invalid response.
pub(super) fn is_connection_loss(error: &hyper::Error) -> bool {
    !error.is_parse() && !error.is_user()
}
