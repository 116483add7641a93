//! Checks of the number, size and names of headers.

use std::str;

use gabion_core::{Claim, Denial, Facts, KnownHeader, folded_name, is_irregular_name};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};

use super::{deny, deny_400};

/// Names of headers that servers act on, besides [`Claim`]s.
///
/// `content-type` and `user-agent` are not in the list: scripts misspell them, and an attacker
/// gains nothing by it. If the correct header is also present, they are denied like any other.
const SENSITIVE: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "transfer-encoding",
    "upgrade",
    "x-http-method-override",
];

/// The prefix of such names.
const SENSITIVE_PREFIX: &str = "proxy-";

/// The headers that override the target.
const OVERRIDES: [KnownHeader; 2] = [KnownHeader::XOriginalUrl, KnownHeader::XRewriteUrl];

/// The longest name that is looked up without an allocation.
const MAX_INLINE: usize = 64;

/// Denies more headers than are allowed (RFC 6585, section 5).
pub(super) fn count(facts: &Facts<'_>, most: usize) -> Option<Denial> {
    let mut found = facts.headers.len();
    if found > most && facts.version >= Version::HTTP_2 {
        let cookies = facts.index.lines(KnownHeader::Cookie).count();
        found = found.saturating_sub(cookies.saturating_sub(1));
    }
    (found > most).then(|| too_large("header/many", "too many headers"))
}

/// Denies larger headers than are allowed (RFC 6585, section 5).
pub(super) fn size(facts: &Facts<'_>, most: usize) -> Option<Denial> {
    let is_larger = facts.index.bytes() > most;
    is_larger.then(|| too_large("header/large", "headers too large"))
}

fn too_large(id: &'static str, why: &'static str) -> Denial {
    deny(id, why, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
}

/// Denies an irregular header name that imitates another header.
///
/// CGI and its successors (RFC 3875, section 4.1.18) convert `-` to `_`, so that `x_forwarded_for`
/// reaches an application as `X-Forwarded-For` does, without passing the checks of the proxies in
/// front. Some convert every other character, too, or merge what they converted. Other irregular
/// names pass: programs do use headers such as `my_header` and `my.header`.
pub(super) fn names(facts: &Facts<'_>) -> Option<Denial> {
    if !facts.index.has_irregular_name() {
        return None;
    }
    let mut names = facts.headers.keys().map(HeaderName::as_str);
    let name = names.find(|name| is_irregular_name(name) && imitates(name, facts.headers))?;
    let why = "header name that some servers treat as another header";
    Some(deny_400("header/underscore", why, name.as_bytes()))
}

/// Returns `true` if an irregular header name imitates one that ends the body.
pub(super) fn imitates_framing(facts: &Facts<'_>) -> bool {
    let is_framing = |name: &HeaderName| {
        let framing = ["content-length", "transfer-encoding"];
        is_irregular_name(name.as_str())
            && framing
                .iter()
                .any(|known| folded_name(name.as_str()).eq(known.bytes()))
    };
    facts.index.has_irregular_name() && facts.headers.keys().any(is_framing)
}

fn imitates(name: &str, headers: &HeaderMap) -> bool {
    let mut inline = [0; MAX_INLINE];
    let mut len = 0_usize;
    for byte in folded_name(name) {
        let Some(place) = inline.get_mut(len) else {
            let folded: String = folded_name(name).map(char::from).collect();
            return headers.contains_key(folded);
        };
        *place = byte;
        len = len.saturating_add(1);
    }
    let folded = inline.get(..len).and_then(|text| str::from_utf8(text).ok());
    folded.is_none_or(|folded| {
        SENSITIVE.contains(&folded)
            || folded.starts_with(SENSITIVE_PREFIX)
            || Claim::of(folded).is_some()
            || headers.contains_key(folded)
    })
}

/// Denies a header that overrides the target ([`Claim::is_url_override`]), unless a trusted proxy
/// writes it.
pub(super) fn overrides(facts: &Facts<'_>) -> Option<Denial> {
    let present = OVERRIDES
        .into_iter()
        .find(|&header| facts.index.contains(header))?;
    override_denial(facts, present)
}

#[cold]
fn override_denial(facts: &Facts<'_>, header: KnownHeader) -> Option<Denial> {
    let claim = Claim::of(header.name())?;
    if facts.client.trusted_claims().contains(claim) {
        return None;
    }
    let why = format!(
        "header that some servers take the path from; if your proxy writes it, set in [client]: {}",
        facts.client.trust_advice(facts.peer, claim),
    );
    let value = facts.index.first(header).map(HeaderValue::as_bytes);
    Some(deny_400("header/override", why, value.unwrap_or_default()))
}
