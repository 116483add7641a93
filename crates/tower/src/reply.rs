//! What a refused client is told.

use std::fmt::Write as _;

use bytes::Bytes;
use gabion_core::{Denial, Diagnosis, Escaped, Facts, tokens};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST},
};

/// Turns a denial into the response that the client gets. Closures are replies.
///
/// Whatever the reply, the connection of a refused upgrade is closed after it (RFC 9931): bytes
/// that the client sent ahead must not be read as its next request.
pub trait Reply: Send + Sync {
    /// The response.
    fn reply(&self, denial: &Denial, facts: &Facts<'_>) -> Response<Bytes>;
}

/// The status, what is wrong with a WebSocket that was asked for and what to ask for instead, and the
/// name of the event, and nothing that helps whoever is probing: as JSON where the client asks for
/// JSON, as plain text else. At most a kilobyte, headers aside.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to hold")]
pub struct BriefReply;

impl<F> Reply for F
where
    F: Fn(&Denial, &Facts<'_>) -> Response<Bytes> + Send + Sync,
{
    fn reply(&self, denial: &Denial, facts: &Facts<'_>) -> Response<Bytes> {
        self(denial, facts)
    }
}

impl Reply for BriefReply {
    fn reply(&self, denial: &Denial, facts: &Facts<'_>) -> Response<Bytes> {
        let mut response = plain(denial.status);
        let json = wants_json(facts.headers);
        *response.body_mut() = body_text(denial, facts, json).into();
        if json {
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
        }
        response
    }
}

fn body_text(denial: &Denial, facts: &Facts<'_>, json: bool) -> String {
    let mut text = String::with_capacity(192);
    let status = denial.status.canonical_reason().unwrap_or(REFUSED);
    let prefix = if json { r#"{"error":""# } else { "" };
    // Writing to a string cannot fail.
    let _ = write!(text, "{prefix}{status}");
    if let Some(diagnosis) = denial.diagnosis {
        let separator = if json { r#"","diagnosis":""# } else { "\n" };
        let _ = write!(text, "{separator}{diagnosis}");
    }
    if let Some(url) = websocket_url(denial, facts) {
        let separator = if json { r#"","use":""# } else { "\nuse " };
        // A backslash means something in JSON.
        let url = url.replace('\\', if json { r"\\" } else { r"\" });
        let _ = write!(text, "{separator}{url}");
    }
    if let Some(event) = denial.event {
        let separator = if json { r#"","event":""# } else { "\nevent " };
        let _ = write!(text, "{separator}{event}");
    }
    text.push_str(if json { "\"}" } else { "\n" });
    text
}

/// The address that a client should have asked for, with what it wrote itself escaped; its path is
/// cut where it is long.
fn websocket_url(denial: &Denial, facts: &Facts<'_>) -> Option<String> {
    if denial.diagnosis != Some(Diagnosis::PlainGet) {
        return None;
    }
    let host_header = || facts.headers.get(HOST).map(HeaderValue::as_bytes);
    let host = facts.uri.authority().map(|name| name.as_str().as_bytes());
    let host = host
        .or_else(host_header)
        .filter(|host| host.len() <= MAX_PART)?;
    let path = facts.path.raw();
    let (path, ellipsis) = match path.split_at_checked(MAX_PART) {
        Some((head, [_, ..])) => (head, ".."),
        _ => (path, ""),
    };
    let (scheme, host, path) = (
        facts.scheme.websocket_prefix(),
        Escaped(host),
        Escaped(path),
    );
    Some(format!("{scheme}{host}{path}{ellipsis}"))
}

/// Whether JSON stands in `Accept` and no text that a person would read.
fn wants_json(headers: &HeaderMap) -> bool {
    let kinds = tokens(headers, &ACCEPT).map(|range| {
        let kind = range.split(|&byte| byte == b';').next();
        kind.unwrap_or_default().trim_ascii()
    });
    let mut json = false;
    for kind in kinds {
        let text = kind
            .get(..5)
            .is_some_and(|head| head.eq_ignore_ascii_case(b"text/"));
        if text {
            return false;
        }
        let start = kind.len().saturating_sub(4);
        json |= kind
            .get(start..)
            .is_some_and(|tail| tail.eq_ignore_ascii_case(b"json"));
    }
    json
}

const REFUSED: &str = "Refused";

/// How many bytes of a host or a path are said again.
const MAX_PART: usize = 100;

/// A response that says its status and no more.
pub(crate) fn plain(status: StatusCode) -> Response<Bytes> {
    let text = status.canonical_reason().unwrap_or(REFUSED);
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
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
