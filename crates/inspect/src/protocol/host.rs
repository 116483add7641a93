//! Whom the request is for.

use std::{net::Ipv6Addr, str};

use gabion_core::{Denial, Facts};
use http::{HeaderValue, StatusCode, Version, header::HOST};

use super::{bad, refuse};

/// A host with its port (RFC 3986, 3.2.2 and 3.2.3).
#[derive(Clone, Copy, Debug)]
struct Authority<'h> {
    host: &'h [u8],
    port: Option<u16>,
}

/// Refuses a request that does not name one host, once (RFC 9112, 3.2; RFC 9113, 8.3.1): routers
/// ask the target, the applications behind them `Host`.
pub(super) fn check(facts: &Facts<'_>) -> Option<Denial> {
    // Without a scheme it is the authority form, which is refused as such.
    let target = facts
        .uri
        .authority()
        .filter(|_| facts.uri.scheme().is_some());
    let target = target.map(|name| name.as_str().as_bytes());
    let asked = match target.map(|target| (target, Authority::of(target))) {
        Some((target, None)) => {
            let why = "the target's authority is no host and port";
            return Some(bad("host/malformed", why, target));
        }
        Some((_, asked)) => asked,
        None => None,
    };
    let mut hosts = facts
        .headers
        .get_all(HOST)
        .iter()
        .map(HeaderValue::as_bytes);
    let Some(host) = hosts.next() else {
        let named = facts.version >= Version::HTTP_2 && asked.is_some();
        let missing = !named && facts.version > Version::HTTP_10;
        return missing.then(|| refuse("host/missing", "no Host", StatusCode::BAD_REQUEST));
    };
    if let Some(second) = hosts.next() {
        return Some(bad("host/doubled", "more than one Host", second));
    }
    if host.is_empty() {
        return Some(bad("host/empty", "an empty Host", host));
    }
    let Some(said) = Authority::of(host) else {
        return Some(bad("host/malformed", "Host is no host and port", host));
    };
    let scheme = facts.uri.scheme_str().unwrap_or_default();
    let differs = asked.is_some_and(|asked| !asked.is(said, scheme));
    differs.then(|| bad("host/differs", "Host is not the target's", host))
}

// === impl Authority ===

impl<'h> Authority<'h> {
    /// Reads a host with or without port. What RFC 3986 lets a name hold and no name has is refused:
    /// escapes, which some decode, and `,`, with which a hop joins two lines into one.
    fn of(text: &'h [u8]) -> Option<Self> {
        let end = match text.strip_prefix(b"[") {
            Some(inner) => inner
                .iter()
                .position(|&byte| byte == b']')?
                .checked_add(2)?,
            None => text
                .iter()
                .position(|&byte| byte == b':')
                .unwrap_or(text.len()),
        };
        let (host, port) = text.split_at_checked(end)?;
        let port = match port.split_first() {
            None | Some((b':', [])) => None,
            Some((b':', digits)) => Some(number(digits)?),
            Some(_) => return None,
        };
        (is_name(host) || is_address(host)).then_some(Self { host, port })
    }

    /// Whether both are the same origin of `scheme` (RFC 9110, 4.2.3).
    fn is(self, other: Self, scheme: &str) -> bool {
        let usual = match scheme {
            scheme if scheme.eq_ignore_ascii_case("http") => Some(80),
            scheme if scheme.eq_ignore_ascii_case("https") => Some(443),
            _ => None,
        };
        self.host.eq_ignore_ascii_case(other.host) && self.port.or(usual) == other.port.or(usual)
    }
}

fn is_name(host: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(byte);
    !host.is_empty() && host.iter().all(plain)
}

/// An IPv6 address in its brackets.
fn is_address(host: &[u8]) -> bool {
    let inner = host
        .strip_prefix(b"[")
        .and_then(|host| host.strip_suffix(b"]"));
    let text = inner.and_then(|inner| str::from_utf8(inner).ok());
    text.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// A port; `parse` alone would take a sign.
fn number(digits: &[u8]) -> Option<u16> {
    let text = str::from_utf8(digits).ok()?;
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}
