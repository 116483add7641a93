//! Fields that must not appear in trailers.
//!
//! The head was inspected and acted on before the trailers arrive. Fields that frame a message,
//! name its sender or grant access do not belong in trailers (RFC 9110, 6.5.1), and some servers
//! read them as if they were in the head.

use gabion_core::{Claim, folded_name};
use http::{HeaderMap, HeaderName};

/// Removed from trailers, like every [`Claim`], in each spelling that CGI servers read alike.
const HEAD_ONLY: [&str; 24] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "range",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
];

/// Name prefixes that are removed likewise.
const HEAD_ONLY_PREFIXES: [&str; 4] = ["if-", "proxy-", "sec-", "x-http-method"];

/// Removes the fields that belong in a head.
pub(super) fn strip_trailers(trailers: &mut HeaderMap) {
    let head_only: Vec<_> = trailers
        .keys()
        .filter(|name| is_head_only(name))
        .cloned()
        .collect();
    for name in head_only {
        trailers.remove(name);
    }
}

fn is_head_only(name: &HeaderName) -> bool {
    let name: String = folded_name(name.as_str()).map(char::from).collect();
    Claim::of(&name).is_some()
        || HEAD_ONLY.contains(&name.as_str())
        || HEAD_ONLY_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn head_only_fields_are_removed_from_trailers() {
        for (name, is_kept) in [
            ("authorization", false),
            ("content-length", false),
            ("content_length", false),
            ("cookie", false),
            ("host", false),
            ("if-match", false),
            ("proxy-authorization", false),
            ("transfer-encoding", false),
            ("x-forwarded-for", false),
            ("x_forwarded_for", false),
            ("content.length", false),
            ("remote+user", false),
            ("x-original-url", false),
            ("content-digest", true),
            ("etag", true),
            ("grpc-message", true),
            ("grpc-status", true),
            ("server-timing", true),
            ("x-sum", true),
        ] {
            let value = HeaderValue::from_static("1");
            let mut trailers = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
            strip_trailers(&mut trailers);
            assert_eq!(trailers.contains_key(name), is_kept, "{name}");
        }
    }
}
