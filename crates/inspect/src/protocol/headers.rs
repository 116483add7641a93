//! Checks of the number, size and names of headers.

use std::str;

use gabion_core::{Denial, Facts, KnownHeader};
use http::{HeaderMap, HeaderName, StatusCode, Version};

use super::{deny, deny_400};

/// Names of headers that servers act on, or trust a proxy for.
///
/// `content-type` and `user-agent` are not in the list: scripts misspell them, and an attacker
/// gains nothing by it. If the correct header is also present, they are denied like any other.
const SENSITIVE: [&str; 15] = [
    "authorization",
    "cf-connecting-ip",
    "connection",
    "content-length",
    "cookie",
    "fastly-client-ip",
    "forwarded",
    "host",
    "remote-user",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "x-client-ip",
    "x-http-method-override",
    "x-real-ip",
];

/// Prefixes of such names.
const SENSITIVE_PREFIXES: [&str; 4] = ["proxy-", "x-forwarded-", "x-original-", "x-rewrite-"];

/// The longest name that is looked up without an allocation.
const MAX_INLINE: usize = 64;

/// Denies more or larger headers than are allowed (RFC 6585, section 5).
pub(super) fn size(facts: &Facts<'_>, most: usize, most_bytes: usize) -> Option<Denial> {
    let too_large = |id, why| Some(deny(id, why, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    let mut found = facts.headers.len();
    if found > most && facts.version >= Version::HTTP_2 {
        let cookies = facts.index.lines(KnownHeader::Cookie).count();
        found = found.saturating_sub(cookies.saturating_sub(1));
    }
    if found > most {
        return too_large("header/many", "too many headers");
    }
    if facts.index.bytes() > most_bytes {
        return too_large("header/large", "headers too large");
    }
    None
}

/// Denies a header name with `_` that imitates another header.
///
/// CGI and its successors (RFC 3875, section 4.1.18) convert `-` to `_`, so that `x_forwarded_for`
/// reaches an application as `X-Forwarded-For` does, without passing the checks of the proxies in
/// front. Other names with `_` pass: programs do use headers such as `my_header`.
pub(super) fn names(facts: &Facts<'_>) -> Option<Denial> {
    if !facts.index.has_underscore() {
        return None;
    }
    let mut names = facts.headers.keys().map(HeaderName::as_str);
    let name = names.find(|name| name.contains('_') && imitates(name, facts.headers))?;
    let why = "header name with _ that some servers treat as another header";
    Some(deny_400("header/underscore", why, name.as_bytes()))
}

fn imitates(name: &str, headers: &HeaderMap) -> bool {
    let mut buffer = [0; MAX_INLINE];
    let Some(dashed) = buffer.get_mut(..name.len()) else {
        let mut others = headers.keys().map(HeaderName::as_str);
        let is_like = |other: &str| other.len() == name.len() && other != name;
        return others.any(is_like) && headers.contains_key(name.replace('_', "-"));
    };
    dashed.copy_from_slice(name.as_bytes());
    for byte in dashed.iter_mut().filter(|byte| **byte == b'_') {
        *byte = b'-';
    }
    let Ok(dashed) = str::from_utf8(dashed) else {
        return true;
    };
    SENSITIVE.contains(&dashed)
        || SENSITIVE_PREFIXES
            .iter()
            .any(|prefix| dashed.starts_with(prefix))
        || headers.contains_key(dashed)
}
