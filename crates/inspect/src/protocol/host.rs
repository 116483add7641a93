//! Checks of the requested host.

use std::{net::Ipv6Addr, str};

use gabion_core::{Denial, Facts, KnownHeader};
use http::{StatusCode, Version};

use super::{deny, deny_400, rules::RuleSet};

/// A host with its port (RFC 3986, sections 3.2.2 and 3.2.3).
#[derive(Clone, Copy, Debug)]
struct Authority<'h> {
    host: &'h [u8],
    port: Option<u16>,
}

/// Denies a request without exactly one host (RFC 9112, section 3.2; RFC 9113, section 8.3.1).
/// Routers use the host of the target, and applications use the `Host` header.
pub(super) fn check(facts: &Facts<'_>, skipped: RuleSet) -> Option<Denial> {
    let unless_skipped = |denial| skipped.unless_in(denial);
    // Without a scheme the target is in authority form, which is denied elsewhere.
    let target = facts
        .uri
        .authority()
        .filter(|_| facts.uri.scheme().is_some());
    let target = target.map(|name| name.as_str().as_bytes());
    let mut hosts = facts.index.lines(KnownHeader::Host);
    let Some(host) = hosts.next() else {
        return (target.and_then(malformed_target).and_then(unless_skipped))
            .or_else(|| missing(facts, target.is_some()).and_then(unless_skipped));
    };
    (target.and_then(malformed_target).and_then(unless_skipped))
        .or_else(|| unless_skipped(doubled(hosts.next()?)))
        .or_else(|| malformed(host).and_then(unless_skipped))
        .or_else(|| differs(facts, target?, host).and_then(unless_skipped))
}

fn malformed_target(target: &[u8]) -> Option<Denial> {
    let why = "malformed host in the request target";
    let is_malformed = Authority::parse(target).is_none();
    is_malformed.then(|| deny_400("host/malformed", why, target))
}

fn missing(facts: &Facts<'_>, has_target: bool) -> Option<Denial> {
    let has_authority = facts.version >= Version::HTTP_2 && has_target;
    let is_missing = !has_authority && facts.version > Version::HTTP_10;
    let why = "missing Host header";
    is_missing.then(|| deny("host/missing", why, StatusCode::BAD_REQUEST))
}

fn doubled(second: &[u8]) -> Denial {
    deny_400("host/doubled", "more than one Host header", second)
}

fn malformed(host: &[u8]) -> Option<Denial> {
    if host.is_empty() {
        return Some(deny_400("host/empty", "empty Host header", host));
    }
    let is_malformed = Authority::parse(host).is_none();
    is_malformed.then(|| deny_400("host/malformed", "malformed Host header", host))
}

/// Denies a `Host` header that is not the host of the target. One of both that is malformed is not
/// compared.
fn differs(facts: &Facts<'_>, target: &[u8], host: &[u8]) -> Option<Denial> {
    let (in_target, in_header) = (Authority::parse(target)?, Authority::parse(host)?);
    let scheme = facts.uri.scheme_str().unwrap_or_default();
    let why = "Host header differs from the host of the request target";
    let is_same = in_target.is_same_origin(in_header, scheme);
    (!is_same).then(|| deny_400("host/differs", why, host))
}

// === impl Authority ===

impl<'h> Authority<'h> {
    /// The length of the longest host name (RFC 3986, section 3.2.2) with a port, in bytes.
    const MAX_LEN: usize = 255 + ":65535".len();

    /// Parses a host with an optional port. Characters that RFC 3986 allows but no host name
    /// contains are errors: percent-encoding, which some servers decode, and `,`, with which a
    /// proxy may join two headers. Text that exceeds [`Self::MAX_LEN`] is one, too.
    fn parse(text: &'h [u8]) -> Option<Self> {
        if text.len() > Self::MAX_LEN {
            return None;
        }
        let (host, port) = text.split_at_checked(host_len(text)?)?;
        let port = match port.split_first() {
            None | Some((b':', [])) => None,
            Some((b':', digits)) => Some(number(digits)?),
            Some(_) => return None,
        };
        Some(Self { host, port })
    }

    /// Returns `true` if both are the same origin under `scheme` (RFC 9110, section 4.2.3).
    fn is_same_origin(self, other: Self, scheme: &str) -> bool {
        let default = match scheme {
            scheme if scheme.eq_ignore_ascii_case("http") => Some(80),
            scheme if scheme.eq_ignore_ascii_case("https") => Some(443),
            _ => None,
        };
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.or(default) == other.port.or(default)
    }
}

/// Returns the length of the host at the beginning of `text`: a name, or an IPv6 address in brackets.
fn host_len(text: &[u8]) -> Option<usize> {
    if let Some(inner) = text.strip_prefix(b"[") {
        let len = inner.iter().position(|&byte| byte == b']')?;
        let address = str::from_utf8(inner.get(..len)?).ok()?;
        return address.parse::<Ipv6Addr>().is_ok().then_some(len + 2);
    }
    let is_in_name = |byte: u8| IN_NAMES.get(usize::from(byte)) == Some(&true);
    let end = text.iter().position(|&byte| !is_in_name(byte));
    Some(end.unwrap_or(text.len())).filter(|&len| len > 0)
}

/// The bytes of host names: unreserved characters and sub-delimiters, without `,` (RFC 3986, section
/// 3.2.2).
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static IN_NAMES: [bool; 256] = {
    let plain = b"-._~!$&'()*+;=";
    let mut table = [false; 256];
    let mut at = 0;
    while at < plain.len() {
        table[plain[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] |= byte.is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// Parses a port. `str::parse` alone would accept a sign.
fn number(digits: &[u8]) -> Option<u16> {
    let text = str::from_utf8(digits).ok()?;
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}
