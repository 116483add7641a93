//! How many headers there are, and what hides in their names.

use std::str;

use gabion_core::{Denial, Facts};
use http::{HeaderMap, HeaderName, StatusCode, Version, header::COOKIE};

use super::{bad, refuse};

/// Names that servers act on, or trust a proxy for, as HTTP spells them.
///
/// `content-type` and `user-agent` are not among them: scripts misspell those, and nothing is gained
/// by it. Beside the true ones they are refused like any other.
const ACTED_ON: [&str; 15] = [
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

/// Families of such names.
const FAMILIES: [&str; 4] = ["proxy-", "x-forwarded-", "x-original-", "x-rewrite-"];

/// The longest name that is looked up without an allocation.
const SHORT: usize = 64;

/// Refuses more headers, or longer ones, than are let through (RFC 6585, 5).
pub(super) fn size(facts: &Facts<'_>, most: usize, most_bytes: usize) -> Option<Denial> {
    let too_large = |id, why| Some(refuse(id, why, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    let mut found = facts.headers.len();
    if found > most && facts.version >= Version::HTTP_2 {
        let cookies = facts.headers.get_all(COOKIE).iter().count();
        found = found.saturating_sub(cookies.saturating_sub(1));
    }
    if found > most {
        return too_large("header/many", "more headers than are let through");
    }
    let lines = facts.headers.iter();
    let sizes = lines.map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    if sizes.fold(0, usize::saturating_add) > most_bytes {
        return too_large("header/large", "longer headers than are let through");
    }
    None
}

/// Refuses a name that hides another behind `_`.
///
/// CGI and what came after it (RFC 3875, 4.1.18) turn `-` into `_`, so that `x_forwarded_for` reaches
/// an application as `X-Forwarded-For` does, past every hop that strips or checks that. A name that
/// is nobody else's passes: programs do call their headers `my_header`.
pub(super) fn names(facts: &Facts<'_>) -> Option<Denial> {
    let mut names = facts.headers.keys().map(HeaderName::as_str);
    let hiding = names.find(|name| name.contains('_') && hides(name, facts.headers))?;
    let why = "a name that some servers take for another, with - for _";
    Some(bad("header/underscore", why, hiding.as_bytes()))
}

fn hides(name: &str, headers: &HeaderMap) -> bool {
    let mut buffer = [0; SHORT];
    let Some(dashed) = buffer.get_mut(..name.len()) else {
        return headers.contains_key(name.replace('_', "-"));
    };
    dashed.copy_from_slice(name.as_bytes());
    for byte in dashed.iter_mut().filter(|byte| **byte == b'_') {
        *byte = b'-';
    }
    let Ok(dashed) = str::from_utf8(dashed) else {
        return true;
    };
    ACTED_ON.contains(&dashed)
        || FAMILIES.iter().any(|family| dashed.starts_with(family))
        || headers.contains_key(dashed)
}
