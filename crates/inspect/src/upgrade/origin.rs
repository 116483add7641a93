//! Whose pages may open sockets.

use std::{collections::BTreeSet, fmt::Write as _};

use gabion_core::Facts;
use http::header::{AUTHORIZATION, COOKIE};

use crate::{
    OneOrMany,
    hosts::{asked, without_port},
};

/// The origins that are named, in lower case; the same host where none is.
#[derive(Debug)]
pub(super) struct Origins(BTreeSet<Box<[u8]>>);

impl Origins {
    /// How many of those that are named are said again with one more.
    const SAID: usize = 8;
    /// The longest host that is said (RFC 1035, 2.3.4).
    const LONGEST: usize = 253;

    pub(super) fn of(named: &OneOrMany) -> Self {
        let lower = |origin: &String| origin.to_ascii_lowercase().into_bytes().into();
        Self(named.iter().map(lower).collect())
    }

    /// Whether `text` is an origin that can be named.
    pub(super) fn is_origin(text: &[u8]) -> bool {
        host_of(text).is_some()
    }

    /// Whether a page of `origin` may not open the socket that is asked for.
    pub(super) fn are_foreign_to(&self, facts: &Facts<'_>, origin: &[u8]) -> bool {
        if !self.0.is_empty() {
            let origin = origin.to_ascii_lowercase();
            return !self.0.contains(&*origin);
        }
        let sends = |name| facts.headers.contains_key(name);
        let host = host_of(origin).unwrap_or_default();
        let same = host.eq_ignore_ascii_case(without_port(asked(facts)));
        (sends(COOKIE) || sends(AUTHORIZATION)) && !same
    }

    /// The line of the policy by which `origin` would be let in: its key, what stands there, and one
    /// more. Where nothing stands there, pages of the host itself were let in, and have to be named
    /// from then on.
    pub(super) fn line_with(&self, facts: &Facts<'_>, origin: &[u8]) -> Option<String> {
        host_of(origin).filter(|host| host.len() <= Self::LONGEST)?;
        let mut line = String::from("origins = [");
        let mut add = |parts: [&[u8]; 2]| {
            // Every part is plain, or it would be no origin.
            let _ = write!(line, "\"");
            for part in parts {
                line.extend(part.iter().map(|&byte| char::from(byte)));
            }
            let _ = write!(line, "\", ");
        };
        let own = asked(facts);
        if self.0.is_empty() && is_plain(own) {
            let scheme = facts.scheme.http_prefix();
            add([scheme.as_bytes(), own]);
        }
        for named in self.0.iter().take(Self::SAID) {
            add([named, b""]);
        }
        add([origin, b""]);
        let line = line.trim_end_matches(", ");
        let more = if self.0.len() > Self::SAID {
            ", .."
        } else {
            ""
        };
        Some(format!("{line}{more}]"))
    }
}

/// The host of an origin, without its port (RFC 6454, 6.2); none of what is no such, `null` among it.
fn host_of(origin: &[u8]) -> Option<&[u8]> {
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
