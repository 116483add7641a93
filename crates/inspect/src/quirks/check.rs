//! The path spellings that one kind of server resolves differently from most servers.

use gabion_core::{PathClasses, PathViews};

use super::ServerKind::{self, Axum, Express, Generic, Nginx, Node, Php, Python, Spring, Tomcat};

/// A spelling, the kinds of server that resolve it differently, and the reason.
pub(super) struct Check {
    pub(super) id: &'static str,
    pub(super) why: &'static str,
    pub(super) kinds: &'static [ServerKind],
    /// A path with none of these classes does not match.
    pub(super) triggers: PathClasses,
    pub(super) matches: fn(&PathViews<'_>) -> bool,
}

/// The checks in order of evaluation, the clearest evidence of an attack first.
///
/// Measured on nginx 1.22.1, Tomcat 10.1.60 and Spring Security's `StrictHttpFirewall`. For the other
/// kinds, see the source in each check.
pub(super) const CHECKS: [Check; 12] = [
    Check {
        id: "path/dot-params",
        why: "dot segment with ;parameters, which servlet containers resolve and other servers do not",
        kinds: &ServerKind::ALL,
        triggers: PathClasses::SEMICOLON,
        matches: |path| has_dot_params(path.raw()),
    },
    Check {
        id: "path/backslash",
        // Tomcat and Spring answer 400. Windows, and the URL parser of browsers and Node.js
        // (WHATWG URL, path state), treat it as a slash.
        why: "backslash, which some servers treat as a slash",
        kinds: &[Generic, Tomcat, Spring, Php, Node, Express, Axum, Python],
        triggers: PathClasses::BACKSLASH.union(PathClasses::PERCENT),
        matches: |path| path.raw().contains(&b'\\') || has_escape(path.raw(), *b"5c"),
    },
    Check {
        id: "path/params",
        why: "path parameters, which servlet containers remove before mapping and other servers do not",
        kinds: &[Tomcat, Spring],
        triggers: PathClasses::SEMICOLON.union(PathClasses::PERCENT),
        matches: |path| has_params(path.raw()) || has_escape(path.raw(), *b"3b"),
    },
    Check {
        id: "path/encoded-slash",
        why: "encoded slash, which servlet containers reject",
        kinds: &[Tomcat, Spring],
        triggers: PathClasses::PERCENT,
        matches: |path| has_escape(path.raw(), *b"2f"),
    },
    Check {
        id: "path/encoded-slash",
        // For `/a%2F..%2Fb`, nginx matches the location of `/b`, and forwards the path as sent if
        // `proxy_pass` has none: the next server may route it by `/a`. An encoded slash beside names is
        // one name or two, below the same location: object keys, OCSP requests, and URLs inside a path
        // have it.
        why: "encoded slash beside a dot segment, which nginx resolves and the next server may not",
        kinds: &[Nginx],
        triggers: PathClasses::PERCENT,
        matches: |path| has_escape(path.raw(), *b"2f") && has_dots_decoded_once(path),
    },
    Check {
        id: "path/encoded-percent",
        why: "encoded percent sign, which decodes to another escape and which Spring rejects",
        kinds: &[Spring],
        triggers: PathClasses::PERCENT,
        matches: |path| has_escape(path.raw(), *b"25"),
    },
    Check {
        id: "path/leading-slashes",
        // In `new URL("//host/path", base)`, a path that begins with `//` names a host (WHATWG URL). The
        // path without the host is a view, so rules match it. With an invalid host, `new URL` throws,
        // and a server that does not catch the exception ends.
        why: "path that begins with // and no valid host, for which the URL parser of Node.js throws",
        kinds: &[Node],
        triggers: PathClasses::EMPTY_SEGMENT,
        matches: |path| path.raw().starts_with(b"//") && !has_valid_host(path.raw()),
    },
    Check {
        id: "path/double-slash",
        why: "empty segment, which some servers remove and Spring rejects",
        kinds: &[Spring],
        triggers: PathClasses::EMPTY_SEGMENT,
        matches: |path| path.raw().windows(2).any(|two| two == b"//"),
    },
    Check {
        id: "path/dot-segments",
        why: "dot segment or encoded dot, which browsers resolve and Spring rejects",
        kinds: &[Spring],
        triggers: PathClasses::PERCENT.union(PathClasses::DOT_SEGMENT),
        matches: |path| has_escape(path.raw(), *b"2e") || segments(path.raw()).any(is_dots),
    },
    Check {
        id: "path/unresolved-dots",
        // `/foo/../bar` reaches axum's `nest("/foo")`, Express's `app.use("/foo")`, Flask's
        // `<path:x>`, and whatever Node.js selects by `url.parse`. Browsers resolve dot segments,
        // escaped ones included, before they send a path (WHATWG URL, path state).
        why: "dot segment, which browsers resolve and the router of the server does not",
        kinds: &[Node, Express, Axum, Python],
        triggers: PathClasses::PERCENT
            .union(PathClasses::DOT_SEGMENT)
            .union(PathClasses::SEMICOLON)
            .union(PathClasses::BACKSLASH),
        matches: has_dots_decoded_once,
    },
    Check {
        id: "path/dots-at-end",
        // `/index.php/.` is `/index.php/` (RFC 3986, section 5.2.4), but `/index.php` to Tomcat.
        why: "dot segment at the end, which Tomcat removes together with the slash before it",
        kinds: &[Tomcat],
        triggers: PathClasses::PERCENT.union(PathClasses::DOT_SEGMENT),
        matches: |path| has_dots_at_end(path.raw()),
    },
    Check {
        id: "path/dots-after-name",
        // `location /static { alias /srv/static/; }` serves `/srv/static/../x` for `/static../x`.
        why: "directory name that ends in .., which escapes an nginx alias without a trailing slash",
        kinds: &[Nginx],
        triggers: PathClasses::TRAILING_DOT,
        matches: |path| has_dots_after_name(path.raw()),
    },
];

/// Returns `true` if a segment, without its parameters, is a dot segment.
fn has_dot_params(path: &[u8]) -> bool {
    segments(path).any(|segment| {
        let name = segment.split(|&byte| byte == b';').next();
        name != Some(segment) && name.is_some_and(is_dots)
    })
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// Returns `true` if a segment has parameters, except for the session that a servlet container
/// appends to links (Servlet 6.0, section 7.1.3).
fn has_params(path: &[u8]) -> bool {
    without_session(path).contains(&b';')
}

fn without_session(path: &[u8]) -> &[u8] {
    const SESSION: &[u8] = b";jsessionid=";
    let Some(at) = path.iter().position(|&byte| byte == b';') else {
        return path;
    };
    let (before, params) = path.split_at(at);
    let is_id = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!".contains(byte);
    match params.strip_prefix(SESSION) {
        Some(id) if !id.is_empty() && id.iter().all(is_id) => before,
        _ => path,
    }
}

/// Returns `true` if there is a dot segment after at most one decoding: such a server decodes the
/// path or its parts once.
fn has_dots_decoded_once(path: &PathViews<'_>) -> bool {
    path.iter().any(|view| {
        let has_dots = view.classes().intersects(PathClasses::DOT_SEGMENT);
        has_dots && view.transformations.decoded() <= 1
    })
}

/// Returns `true` if the last segment is a dot segment, encoded or not.
fn has_dots_at_end(path: &[u8]) -> bool {
    let last = segments(path).next_back().unwrap_or_default();
    let dots: [&[u8]; 6] = [b".", b"..", b"%2e", b".%2e", b"%2e.", b"%2e%2e"];
    dots.iter().any(|dots| last.eq_ignore_ascii_case(dots))
}

/// Returns `true` if a directory name ends in `..` and is longer.
fn has_dots_after_name(path: &[u8]) -> bool {
    let mut rest = segments(path).rev();
    let _last = rest.next();
    rest.any(|segment| segment.len() > 2 && segment.ends_with(b".."))
}

/// Returns `true` if `path` contains `%` followed by the hexadecimal `digits`, in any case.
fn has_escape(path: &[u8], digits: [u8; 2]) -> bool {
    let mut escapes = path.split(|&byte| byte == b'%').skip(1);
    escapes.any(|after| {
        after
            .get(..2)
            .is_some_and(|found| found.eq_ignore_ascii_case(&digits))
    })
}

/// Returns `true` if `new URL` certainly accepts the first segment as a host (WHATWG URL, host parser):
/// letters, digits, `-`, `_` and dots, but neither an encoded name nor more than a short number.
fn has_valid_host(path: &[u8]) -> bool {
    let Some(host) = segments(path).find(|segment| !segment.is_empty()) else {
        return false;
    };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let is_number = |label: &[u8]| {
        let is_decimal = !label.is_empty() && label.iter().all(u8::is_ascii_digit);
        is_decimal || label.to_ascii_lowercase().starts_with(b"0x")
    };
    let is_encoded = |label: &[u8]| label.to_ascii_lowercase().starts_with(b"xn--");
    let mut labels = host.split(|&byte| byte == b'.');
    if labels.clone().any(is_number) {
        // A host whose last label is a number is an IPv4 address.
        return host.len() <= 9 && host.iter().all(u8::is_ascii_digit) && !host.starts_with(b"0");
    }
    host.iter().all(is_plain) && !labels.any(is_encoded)
}

fn segments(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
}
