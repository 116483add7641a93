//! Hop-by-hop headers, and headers that differ between HTTP versions.

use gabion_core::{Claim, has_token, tokens};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, ORIGIN, SET_COOKIE, TE, TRAILER,
        TRANSFER_ENCODING, VIA,
    },
};

/// Kept even if `Connection` names them: removing one would let a client hide the sender, the
/// target or the origin of a request (Davison, "Abusing HTTP hop-by-hop request headers", 2020).
///
/// So are the [`Claim`]s that are left, which a trusted proxy wrote.
const PROTECTED: [HeaderName; 8] = [
    AUTHORIZATION,
    COOKIE,
    HOST,
    ORIGIN,
    SET_COOKIE,
    TE,
    TRAILER,
    VIA,
];

/// Name prefixes that are kept likewise.
const PROTECTED_PREFIXES: [&str; 2] = ["content-", "sec-websocket-"];

/// Removes the hop-by-hop headers, and those that `Connection` names.
///
/// # Cost
///
/// One comparison per header name; no allocation if there is nothing to remove.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let names = hop_by_hop_names(headers);
    let trailers = names.contains(&TE) && has_token(headers, &TE, "trailers");
    remove_all(headers, names);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Returns the names of the hop-by-hop headers, and those that `Connection` names.
pub(super) fn hop_by_hop_names(headers: &HeaderMap) -> Vec<HeaderName> {
    let hop_by_hop = headers.keys().filter(|name| is_hop_by_hop(name));
    let mut names: Vec<_> = hop_by_hop.cloned().collect();
    if names.contains(&CONNECTION) {
        // `Keep-Alive` is removed in any case; many servers name it in each response.
        let nominated = tokens(headers, &CONNECTION)
            .filter(|token| !token.eq_ignore_ascii_case(b"keep-alive"))
            .filter_map(|token| HeaderName::from_bytes(token).ok())
            .filter(|name| headers.contains_key(name) && !is_protected(name));
        names.extend(nominated);
    }
    names
}

/// Removes the headers with these names.
pub(super) fn remove_all(headers: &mut HeaderMap, names: Vec<HeaderName>) {
    for name in names {
        headers.remove(name);
    }
}

/// Returns `true` for headers that every hop removes (RFC 9110, 7.6.1; RFC 7540, 3.2.1). Only `TE:
/// trailers` is written again.
///
/// `Trailer` is not among them: it announces trailers, which are forwarded, and hyper sends only
/// announced ones.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Joins all lines of a header into one.
pub(super) fn join_lines(headers: &mut HeaderMap, name: HeaderName, separator: &[u8]) {
    let lines: Vec<_> = headers
        .get_all(&name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if lines.len() < 2 {
        return;
    }
    if let Ok(line) = HeaderValue::from_bytes(&lines.join(separator)) {
        headers.insert(name, line);
    }
}

/// Sets the framing headers of a request from its body, replacing those it came with.
///
/// hyper drops a GET's body of unknown length unless it is sent in chunks, and sends no
/// `Content-Length: 0` for a POST. Trailers, which HTTP/2 allows beside a length, need chunks on
/// HTTP/1.1.
pub(super) fn set_framing(headers: &mut HeaderMap, length: Option<u64>) {
    let had_length = headers.remove(CONTENT_LENGTH).is_some();
    match length.filter(|_| !headers.contains_key(TRAILER)) {
        None => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Some(0) if !had_length => {}
        Some(length) => {
            headers.insert(CONTENT_LENGTH, length.into());
        }
    }
}

fn is_protected(name: &HeaderName) -> bool {
    PROTECTED.contains(name)
        || Claim::of(name.as_str()).is_some()
        || PROTECTED_PREFIXES
            .iter()
            .any(|prefix| name.as_str().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[track_caller]
    fn stripped(lines: &[(&'static str, &'static str)], left: &[&str]) {
        let mut headers = headers(lines);
        strip_hop_by_hop(&mut headers);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, left, "{lines:?}");
    }

    #[test]
    fn hop_by_hop_headers_are_removed() {
        stripped(
            &[
                ("connection", "keep-alive, X-Hop"),
                ("connection", "x-other ,,bad name"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"),
                ("proxy-authorization", "Basic eDp5"),
                ("proxy-authenticate", "Basic"),
                ("x-hop", "1"),
                ("x-other", "1"),
                ("x-end", "1"),
            ],
            &["x-end"],
        );
    }

    #[test]
    fn connection_header_cannot_remove_protected_headers() {
        for name in [
            "authorization",
            "content-type",
            "cookie",
            "forwarded",
            "host",
            "origin",
            "remote-user",
            "sec-websocket-key",
            "via",
            "x-forwarded-for",
            "x-real-ip",
        ] {
            stripped(&[("connection", name), (name, "1")], &[name]);
        }
    }

    #[test]
    fn only_trailers_is_left_of_te() {
        let mut headers = headers(&[("te", "gzip;q=0.5, Trailers"), ("connection", "te")]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers["te"], "trailers");
        stripped(&[("te", "gzip")], &[]);
    }

    #[test]
    fn header_lines_are_joined() {
        let mut headers = headers(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
        join_lines(&mut headers, COOKIE, b"; ");
        assert_eq!(
            headers.get_all(COOKIE).iter().collect::<Vec<_>>(),
            ["a=1; b=2; c=3"]
        );
    }
}
