//! Headers that are meant for one hop only, and those that change shape between versions.

use gabion_core::tokens;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, ORIGIN, SET_COOKIE, TE,
        TRAILER, TRANSFER_ENCODING, VIA,
    },
};

/// Kept although `Connection` names them: whoever could have them dropped could hide who asks, for
/// what, and from where (Davison, "Abusing HTTP hop-by-hop request headers", 2020).
const PROTECTED: [HeaderName; 10] = [
    AUTHORIZATION,
    COOKIE,
    FORWARDED,
    HOST,
    ORIGIN,
    SET_COOKIE,
    TE,
    TRAILER,
    VIA,
    HeaderName::from_static("x-real-ip"),
];

/// Families kept likewise.
const PROTECTED_PREFIXES: [&str; 3] = ["content-", "sec-websocket-", "x-forwarded-"];

/// Drops what was meant for this hop, and what `Connection` says was.
///
/// # Cost
///
/// A look at each name, and no allocation where there is nothing to drop.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let hop_by_hop = headers.keys().filter(|name| is_hop_by_hop(name));
    let mut removed: Vec<_> = hop_by_hop.cloned().collect();
    let trailers = removed.contains(&TE) && list_contains(headers, &TE, "trailers");
    if removed.contains(&CONNECTION) {
        let nominated = tokens(headers, &CONNECTION)
            .filter_map(|token| HeaderName::from_bytes(token).ok())
            .filter(|name| headers.contains_key(name) && !is_protected(name));
        removed.extend(nominated);
    }
    for name in removed {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Dropped at every hop (RFC 9110, 7.6.1; RFC 7540, 3.2.1). Of `TE` one word is sent anew.
///
/// `Trailer` is not among them: it announces trailers, which are passed on, and hyper sends only
/// those it announces.
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

/// Whether a list header holds `token`, whatever its case.
pub(crate) fn list_contains(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
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

/// Frames a request by its body, whatever its headers said.
///
/// hyper would drop a GET's body of unknown length unless told to send it in chunks, and would not
/// say that a POST has none. Trailers, which HTTP/2 has beside a length, need chunks on HTTP/1.1.
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
    fn one_hop_is_stripped() {
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
    fn nomination_hides_no_one() {
        for name in [
            "authorization",
            "content-type",
            "cookie",
            "forwarded",
            "host",
            "origin",
            "sec-websocket-key",
            "via",
            "x-forwarded-for",
            "x-real-ip",
        ] {
            stripped(&[("connection", name), (name, "1")], &[name]);
        }
    }

    #[test]
    fn of_te_only_trailers_is_left() {
        let mut headers = headers(&[("te", "gzip;q=0.5, Trailers"), ("connection", "te")]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers["te"], "trailers");
        stripped(&[("te", "gzip")], &[]);
    }

    #[test]
    fn lines_are_joined() {
        let mut headers = headers(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
        join_lines(&mut headers, COOKIE, b"; ");
        assert_eq!(
            headers.get_all(COOKIE).iter().collect::<Vec<_>>(),
            ["a=1; b=2; c=3"]
        );
    }
}
