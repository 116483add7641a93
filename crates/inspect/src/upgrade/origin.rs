//! Origins whose pages may open WebSockets.

use std::{collections::BTreeSet, fmt::Write as _, net::Ipv6Addr, str};

use gabion_core::{Facts, KnownHeader};
use http::header::AUTHORIZATION;

use crate::{
    OneOrMany,
    hosts::{requested_host, without_port},
};

/// The allowed origins. If empty, the requested host is allowed.
#[derive(Debug)]
pub(super) struct Origins(BTreeSet<Origin>);

/// The origin of a page, as browsers serialize it (RFC 6454, section 6.2): in lower case, without the
/// default port of its scheme.
///
/// Besides origins of the web, these are `null`, which stands for every page without an origin of its
/// own, and the origins of apps and extensions: a scheme and, for some schemes, a name, such as
/// `capacitor://localhost`, `ionic://` and `app://.`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin(String);

impl Origins {
    /// The largest number of configured origins in a suggestion.
    const MAX_LISTED: usize = 8;

    /// Creates the set of the `configured` origins, skipping invalid ones.
    pub(super) fn new(configured: &OneOrMany) -> Self {
        let parse = |origin: &String| Origin::parse(origin.as_bytes());
        Self(configured.iter().filter_map(parse).collect())
    }

    /// Returns `true` if a page of `origin` may not open the requested WebSocket.
    pub(super) fn is_foreign(&self, facts: &Facts<'_>, origin: &[u8]) -> bool {
        let origin = Origin::parse(origin);
        if !self.0.is_empty() {
            return !origin.is_some_and(|origin| self.0.contains(&origin));
        }
        let has_credentials =
            facts.index.contains(KnownHeader::Cookie) || facts.headers.contains_key(AUTHORIZATION);
        has_credentials && !origin.is_some_and(|origin| origin.has_host(requested_host(facts)))
    }

    /// Returns the change of the policy that would allow `origin`, or `None` if it is not an origin.
    ///
    /// If no origins are configured, pages of the requested host are allowed, so the change includes
    /// its origin.
    pub(super) fn advice(&self, facts: &Facts<'_>, origin: &[u8]) -> Option<String> {
        let Origin(origin) = Origin::parse(origin)?;
        let mut advice = if self.0.len() > Self::MAX_LISTED {
            format!("add to origins in [upgrade]: \"{origin}\"")
        } else {
            let own = [facts.scheme.http_prefix().as_bytes(), requested_host(facts)].concat();
            let own = self.0.is_empty().then(|| Origin::parse(&own)).flatten();
            let mut line = String::from("set in [upgrade]: origins = [");
            for Origin(known) in own.iter().chain(&self.0) {
                let _ = write!(line, "\"{known}\", ");
            }
            format!("{line}\"{origin}\"]")
        };
        if origin == Origin::NULL {
            advice.push_str(", which any site can send from a sandboxed frame");
        }
        Some(advice)
    }
}

// === impl Origin ===

impl Origin {
    /// The origin of a page without an origin of its own, such as a sandboxed frame of any site.
    pub(super) const NULL: &str = "null";

    /// The length of the longest origin: a scheme, a host name (RFC 1035, section 2.3.4) and a port.
    const MAX_LEN: usize = 64 + "://".len() + 253 + ":65535".len();

    /// Parses an origin in any case, with or without the default port and a final slash.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        if text.len() > Self::MAX_LEN {
            return None;
        }
        let text = text.to_ascii_lowercase();
        if text == Self::NULL {
            return Some(Self(text));
        }
        let (scheme, rest) = text
            .split_once("://")
            .filter(|(scheme, _)| is_scheme(scheme))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let Some(default_port) = default_port(scheme) else {
            return rest
                .bytes()
                .all(is_plain)
                .then(|| Self(format!("{scheme}://{rest}")));
        };
        let (host, port) = split_port(rest)?;
        let host = canonical_host(host)?;
        Some(Self(match port.filter(|port| *port != default_port) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }))
    }

    /// Returns `true` if the origin is of the web and has the host of `authority`, on any port.
    fn has_host(&self, authority: &[u8]) -> bool {
        let own = self
            .0
            .split_once("://")
            .filter(|(scheme, _)| default_port(scheme).is_some());
        let host = str::from_utf8(authority).ok().and_then(split_port);
        let host = host.and_then(|(host, _)| canonical_host(&host.to_ascii_lowercase()));
        host.is_some_and(|host| {
            own.is_some_and(|(_, own)| {
                without_port(own.as_bytes()) == without_port(host.as_bytes())
            })
        })
    }
}

/// Returns the default port of a scheme whose origins have a host.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// Returns `true` for a scheme in lower case (RFC 3986, section 3.1).
fn is_scheme(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(plain)
}

/// Splits a host from its port, if it has one. Returns `None` if the port is not a number.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            Some((host, Some(port.parse().ok().filter(|_| is_number)?)))
        }
        _ => Some((text, None)),
    }
}

/// Returns a host in lower case in its canonical spelling, or `None` if it is not a host.
fn canonical_host(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let plain = |byte: u8| is_plain(byte) && !b":[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(plain)).then(|| host.to_owned())
}

/// Returns `true` for the bytes of hosts and of names of apps.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']')
}
