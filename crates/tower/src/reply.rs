//! What a refused client is told.

use bytes::Bytes;
use gabion_core::{Denial, Facts};
use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};

/// Turns a denial into the response that the client gets. Closures are replies.
///
/// Whatever the reply, the connection of a refused upgrade is closed after it (RFC 9931): bytes
/// that the client sent ahead must not be read as its next request.
pub trait Reply: Send + Sync {
    /// The response.
    fn reply(&self, denial: &Denial, facts: &Facts<'_>) -> Response<Bytes>;
}

/// The status in words, and nothing that helps whoever is probing.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to hold")]
pub struct PlainReply;

impl<F> Reply for F
where
    F: Fn(&Denial, &Facts<'_>) -> Response<Bytes> + Send + Sync,
{
    fn reply(&self, denial: &Denial, facts: &Facts<'_>) -> Response<Bytes> {
        self(denial, facts)
    }
}

impl Reply for PlainReply {
    fn reply(&self, denial: &Denial, _facts: &Facts<'_>) -> Response<Bytes> {
        plain(denial.status)
    }
}

/// A response that says its status and no more.
pub(crate) fn plain(status: StatusCode) -> Response<Bytes> {
    let words = status.canonical_reason().unwrap_or("Refused");
    let mut response = Response::new(Bytes::from_static(words.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, text);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        // RFC 9110, 15.5.6: the answer must name what is allowed.
        let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        headers.insert(ALLOW, methods);
    }
    response
}
