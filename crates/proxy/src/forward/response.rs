//! Responses to the client.

use http::{
    HeaderValue, Response, Version,
    header::{CONTENT_TYPE, RETRY_AFTER},
    response,
};

use super::{
    body::ProxyBody,
    error::{Failure, RequestError},
    headers::strip_hop_by_hop,
};

/// Rewrites the head of the upstream's response for the client.
pub(super) fn rewrite_response_head(head: &mut response::Parts) {
    strip_hop_by_hop(&mut head.headers);
    // The upstream's version applies to its own hop: an HTTP/1.0 response must not end the client's
    // connection.
    head.version = Version::HTTP_11;
}

// === impl Failure ===

impl Failure {
    /// Returns the response: the status, the error text without its sources, and the diagnosis.
    pub(super) fn to_response(&self) -> Response<ProxyBody> {
        let status = self.status();
        let mut text = format!("{status}: {self}\n");
        if let Some(diagnosis) = self.diagnosis() {
            text = format!("{text}{diagnosis}\n");
        }
        let mut response = Response::new(ProxyBody::text(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, plain);
        if let Self::Request(RequestError::Draining) = self {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
