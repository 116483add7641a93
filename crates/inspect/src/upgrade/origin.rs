//! Origins whose pages may open WebSockets.

use std::{collections::BTreeSet, fmt::Write as _, iter, net::Ipv6Addr, str};

use gabion_core::{Claim, Facts, KnownHeader};
use http::{HeaderName, header::AUTHORIZATION};

use crate::{
    HostAllowlist, OneOrMany,
    hosts::{requested_host, without_port},
};

/// The allowed origins. If empty, those of the server itself are allowed.
#[derive(Debug)]
pub(super) struct Origins(BTreeSet<Origin>);

/// The origin of a page, as browsers serialize it (RFC 6454, section 6.2): in lower case, without the
/// default port of its scheme.
///
/// Besides origins of the web, these are `null`, which stands for every page without an origin of its
/// own, and the origins of apps and extensions: a scheme and, for some schemes, a name, such as
/// `capacitor://localhost`, `ionic://` and `app://.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin(String);

impl Origins {
    /// The largest number of configured origins in a suggestion.
    const MAX_LISTED: usize = 8;

    /// Creates the set of the `configured` origins, skipping invalid ones.
    pub(super) fn new(configured: &OneOrMany) -> Self {
        let parse = |origin: &String| Origin::parse(origin.as_bytes());
        Self(configured.iter().filter_map(parse).collect())
    }

    /// Returns `true` if a page of `origin` may not open the requested WebSocket on a server with the
    /// names `hosts`.
    pub(super) fn is_foreign(
        &self,
        facts: &Facts<'_>,
        hosts: Option<&HostAllowlist>,
        origin: &[u8],
    ) -> bool {
        let origin = Origin::parse(origin);
        if !self.0.is_empty() {
            return !origin.is_some_and(|origin| self.0.contains(&origin));
        }
        let has_credentials =
            facts.index.contains(KnownHeader::Cookie) || facts.headers.contains_key(AUTHORIZATION);
        has_credentials && !origin.is_some_and(|origin| origin.is_own(facts, hosts))
    }

    /// Returns the change of the policy that would allow `origin`, or `None` if it is not an origin.
    ///
    /// If no origins are configured, pages of the server itself are allowed, so the change includes their
    /// origins.
    pub(super) fn advice(
        &self,
        facts: &Facts<'_>,
        hosts: Option<&HostAllowlist>,
        origin: &[u8],
    ) -> Option<String> {
        let Origin(origin) = Origin::parse(origin)?;
        let mut advice = if self.0.len() > Self::MAX_LISTED {
            format!("add to origins in [upgrade]: \"{origin}\"")
        } else {
            let own = self.0.is_empty().then(|| own_origins(facts, hosts));
            let own = own.into_iter().flatten();
            let mut line = String::from("set in [upgrade]: origins = [");
            for Origin(known) in own.chain(self.0.iter().cloned()) {
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

/// Returns origins of the server itself, at most [`Origins::MAX_LISTED`]: of the requested host, of the
/// host that a trusted proxy forwards, and of the names in `hosts`.
fn own_origins(facts: &Facts<'_>, hosts: Option<&HostAllowlist>) -> Vec<Origin> {
    let names = hosts.map(HostAllowlist::names).unwrap_or_default();
    let all = iter::once(requested_host(facts)).chain(forwarded_hosts(facts));
    let mut own: Vec<Origin> = Vec::new();
    for host in all.chain(names).take(Origins::MAX_LISTED) {
        let origin = Origin::parse(&[facts.scheme.http_prefix().as_bytes(), host].concat());
        own.extend(origin.filter(|origin| !own.contains(origin)));
    }
    own
}

/// Returns the hosts that clients requested from a trusted proxy in front.
fn forwarded_hosts<'f>(facts: &Facts<'f>) -> impl Iterator<Item = &'f [u8]> {
    let trusted = facts.client.trusted_claims();
    let lines = facts.headers.get_all(FORWARDED_HOST).iter();
    let lines = lines.filter(move |_| trusted.contains(Claim::XForwardedHost));
    let hosts = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    hosts.map(<[u8]>::trim_ascii)
}

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

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

    /// Returns `true` if the origin is of the server itself, on any port: of the requested host, of a host
    /// that a trusted proxy forwards, or of a name in `hosts`. If a proxy in front replaces the host and
    /// forwards none, the browser itself reports that the page is of the requested origin, which no page
    /// can forge.
    fn is_own(&self, facts: &Facts<'_>, hosts: Option<&HostAllowlist>) -> bool {
        let site = facts.index.single(KnownHeader::SecFetchSite);
        self.host().is_some_and(|host| {
            is_same_host(host, requested_host(facts))
                || forwarded_hosts(facts).any(|forwarded| is_same_host(host, forwarded))
                || hosts.is_some_and(|hosts| hosts.contains(host))
                || site.is_some_and(|site| site == "same-origin")
        })
    }

    /// Returns the host of an origin of the web, without port and brackets.
    fn host(&self) -> Option<&[u8]> {
        let (scheme, authority) = self.0.split_once("://")?;
        default_port(scheme).map(|_| without_port(authority.as_bytes()))
    }
}

/// Returns `true` if `host`, in canonical form, is the host of `authority`.
fn is_same_host(host: &[u8], authority: &[u8]) -> bool {
    let other = without_port(authority);
    let address = |text| str::from_utf8(text).ok()?.parse::<Ipv6Addr>().ok();
    host.eq_ignore_ascii_case(other)
        || address(host).is_some_and(|host| address(other) == Some(host))
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
