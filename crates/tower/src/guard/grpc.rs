//! Denials of gRPC calls: status 200, with the error in gRPC's own headers.

use bytes::Bytes;
use gabion_core::{Denial, Facts, KnownHeader};
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Turns the response to a gRPC request into a response without messages ("Trailers-Only"), from
/// which a gRPC client reads the status of its call. A reply that sets `grpc-status` itself is left
/// unchanged.
pub(super) fn translate(response: &mut Response<Bytes>, denial: &Denial, facts: &Facts<'_>) {
    let requested = facts.index.first(KnownHeader::ContentType);
    let Some(kind) = requested.filter(|kind| is_grpc(kind)) else {
        return;
    };
    if response.headers().contains_key(STATUS) {
        return;
    }
    let status = response.status();
    let mut message = status.canonical_reason().unwrap_or("Refused").to_owned();
    if let Some(event) = denial.event {
        message = format!("{message}, event {event}");
    }
    *response.status_mut() = StatusCode::OK;
    *response.body_mut() = Bytes::new();
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, kind.clone());
    headers.insert(STATUS, HeaderValue::from(code(status)));
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(MESSAGE, message);
    }
}

/// Returns `true` for `application/grpc`, `application/grpc+proto`, `application/grpc-web` and the
/// like.
fn is_grpc(kind: &HeaderValue) -> bool {
    let name = b"application/grpc";
    let Some((kind, rest)) = kind.as_bytes().split_at_checked(name.len()) else {
        return false;
    };
    kind.eq_ignore_ascii_case(name)
        && matches!(rest.first(), None | Some(b'+' | b'-' | b';' | b' '))
}

/// Maps a status to a gRPC status code (gRPC's doc/http-grpc-status-mapping.md). 429 differs: it
/// maps to `RESOURCE_EXHAUSTED` (doc/statuscodes.md), since that document describes errors of a
/// proxy.
fn code(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 => 8,
        502..=504 => 14,
        _ => 2,
    }
}
