//! Origins whose pages may open WebSockets.

use std::{collections::BTreeSet, fmt::Write as _};

use gabion_core::{Facts, KnownHeader};
use http::header::AUTHORIZATION;

use crate::{
    OneOrMany,
    hosts::{requested_host, without_port},
};

/// The allowed origins in lower case. If empty, the requested host is allowed.
#[derive(Debug)]
pub(super) struct Origins(BTreeSet<Box<[u8]>>);

impl Origins {
    /// The largest number of configured origins in a suggestion.
    const MAX_LISTED: usize = 8;
    /// The longest host in a suggestion (RFC 1035, section 2.3.4).
    const MAX_HOST: usize = 253;

    pub(super) fn new(configured: &OneOrMany) -> Self {
        let lower = |origin: &String| origin.to_ascii_lowercase().into_bytes().into();
        Self(configured.iter().map(lower).collect())
    }

    /// Returns `true` if `text` is an origin that can be configured.
    pub(super) fn is_origin(text: &[u8]) -> bool {
        host_in(text).is_some()
    }

    /// Returns `true` if a page of `origin` may not open the requested WebSocket.
    pub(super) fn is_foreign(&self, facts: &Facts<'_>, origin: &[u8]) -> bool {
        if !self.0.is_empty() {
            let origin = origin.to_ascii_lowercase();
            return !self.0.contains(&*origin);
        }
        let host = host_in(origin).unwrap_or_default();
        let is_same_host = host.eq_ignore_ascii_case(without_port(requested_host(facts)));
        let has_credentials =
            facts.index.contains(KnownHeader::Cookie) || facts.headers.contains_key(AUTHORIZATION);
        has_credentials && !is_same_host
    }

    /// Returns the line of the policy that would allow `origin`: its key, the current value, and
    /// the new origin. If no origins are configured, pages of the requested host are allowed, so
    /// the line includes its origin.
    pub(super) fn line_that_allows(&self, facts: &Facts<'_>, origin: &[u8]) -> Option<String> {
        host_in(origin).filter(|host| host.len() <= Self::MAX_HOST)?;
        let mut line = String::from("origins = [");
        let mut add = |parts: [&[u8]; 2]| {
            // Every part is plain ASCII, or it would not be an origin.
            let _ = write!(line, "\"");
            for part in parts {
                line.extend(part.iter().map(|&byte| char::from(byte)));
            }
            let _ = write!(line, "\", ");
        };
        let own = requested_host(facts);
        if self.0.is_empty() && is_plain(own) {
            let scheme = facts.scheme.http_prefix();
            add([scheme.as_bytes(), own]);
        }
        for origin in self.0.iter().take(Self::MAX_LISTED) {
            add([origin, b""]);
        }
        add([origin, b""]);
        let line = line.trim_end_matches(", ");
        let more = if self.0.len() > Self::MAX_LISTED {
            ", .."
        } else {
            ""
        };
        Some(format!("{line}{more}]"))
    }
}

/// Returns the host of an origin without its port (RFC 6454, section 6.2), or `None` for other
/// text, such as `null`.
fn host_in(origin: &[u8]) -> Option<&[u8]> {
    let rest = [&b"https://"[..], b"http://"]
        .into_iter()
        .find_map(|scheme| {
            let (head, rest) = origin.split_at_checked(scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then_some(rest)
        })?;
    let host = without_port(rest);
    (!host.is_empty() && is_plain(rest)).then_some(host)
}

fn is_plain(text: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    text.iter().all(plain)
}
