//! What has a budget of its own.

use std::{
    hash::{Hash, Hasher},
    net::IpAddr,
    str::FromStr,
};

use gabion_core::{ClientIp, Facts};
use http::{HeaderName, HeaderValue};

use crate::{deny, hosts, network::Network};

/// One part of what a limit counts by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The client.
    Client,
    /// The client's neighborhood: /24 or /48.
    Prefix,
    /// The value of a header; the client where there is none, or more than one.
    Header(HeaderName),
    /// The value of a cookie; the client where there is none, or more than one.
    Cookie(Box<str>),
    /// The first segments of the path.
    Path(usize),
    /// The host that is asked for.
    Host,
    /// Nothing: one budget for all.
    Global,
}

impl Key {
    /// Whether whoever sends the request writes what stands here.
    pub(super) const fn is_written_by_client(&self) -> bool {
        matches!(
            self,
            Self::Header(_) | Self::Cookie(_) | Self::Path(_) | Self::Host
        )
    }

    /// Feeds what `facts` say of this part.
    pub(super) fn hash_value(&self, facts: &Facts<'_>, to: &mut impl Hasher) {
        match self {
            Self::Client => hash_client(&facts.client, to),
            Self::Prefix => hash_neighborhood(facts.client.addr(), to),
            Self::Header(name) => {
                let lines = facts.headers.get_all(name).iter();
                hash_the_one(lines.map(HeaderValue::as_bytes), facts, to);
            }
            Self::Cookie(name) => {
                let named = |(found, _): &(&[u8], _)| *found == name.as_bytes();
                let values = facts.cookies().filter(named).map(|(_, value)| value);
                hash_the_one(values, facts, to);
            }
            Self::Path(segments) => hash_path(facts, *segments, to),
            Self::Host => hash_folded(hosts::without_port(hosts::asked(facts)), to),
            Self::Global => {}
        }
    }
}

impl FromStr for Key {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Ok(match text.split_once(':') {
            None if text == "client" => Self::Client,
            None if text == "prefix" => Self::Prefix,
            None if text == "path" => Self::Path(usize::MAX),
            None if text == "host" => Self::Host,
            None if text == "global" => Self::Global,
            Some(("header", name)) => {
                Self::Header(name.parse().map_err(|_| "does not name a header")?)
            }
            Some(("cookie", name)) if is_token(name) => Self::Cookie(name.into()),
            Some(("cookie", _)) => return Err("does not name a cookie"),
            Some(("path", segments)) => match segments.parse() {
                Ok(segments @ 1..=16) => Self::Path(segments),
                _ => return Err("must count 1 to 16 segments, as in path:2"),
            },
            _ => {
                return Err(
                    "is none of client, prefix, header:NAME, cookie:NAME, path, path:N, host, global",
                );
            }
        })
    }
}

/// A client, as budgets are kept for it.
pub(super) fn hash_client(client: &ClientIp, to: &mut impl Hasher) {
    Network(client.network()).hash(to);
}

/// Who sends no value is told apart by address: all of them together are nobody's budget. So is who
/// sends several, since nobody knows which of them the server takes.
fn hash_the_one<'f>(
    mut values: impl Iterator<Item = &'f [u8]>,
    facts: &Facts<'_>,
    to: &mut impl Hasher,
) {
    let the_one = values.next().filter(|_| values.next().is_none());
    the_one.hash(to);
    if the_one.is_none() {
        hash_client(&facts.client, to);
    }
}

fn hash_neighborhood(addr: IpAddr, to: &mut impl Hasher) {
    match addr {
        IpAddr::V4(addr) => {
            let [a, b, c, _] = addr.octets();
            [a, b, c].hash(to);
        }
        IpAddr::V6(addr) => {
            let [a, b, c, ..] = addr.segments();
            [a, b, c].hash(to);
        }
    }
}

/// The path in its furthest view, so that escapes make no other budget.
fn hash_path(facts: &Facts<'_>, segments: usize, to: &mut impl Hasher) {
    let view = facts.path.iter().last();
    let path = view.map_or(&b""[..], |view| view.path);
    let all = path.split(|&byte| byte == b'/').filter(|s| !s.is_empty());
    for segment in all.take(segments) {
        hash_folded(deny::plain_name(segment), to);
    }
}

/// Whatever its case; 0xff, which is no part of UTF-8, ends it.
fn hash_folded(name: &[u8], to: &mut impl Hasher) {
    let mut folded = [0; 64];
    for piece in name.chunks(folded.len()) {
        if let Some(folded) = folded.get_mut(..piece.len()) {
            folded.copy_from_slice(piece);
            folded.make_ascii_lowercase();
            to.write(folded);
        }
    }
    to.write_u8(0xff);
}

/// What can name a cookie (RFC 6265, 4.1.1).
fn is_token(name: &str) -> bool {
    let separator = |byte: u8| b"()<>@,;:\\\"/[]?={} \t".contains(&byte);
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !separator(b))
}
