//! The keys by which limits count.

use std::{
    hash::{Hash, Hasher},
    net::IpAddr,
    str::FromStr,
};

use gabion_core::{ClientIp, Facts, PathClasses, View};
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::hosts;

/// A part of the key by which a limit counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The client.
    Client,
    /// The network around the client address: /24 for IPv4, /48 for IPv6.
    Prefix,
    /// The value of a header; the client if the header is missing or repeated.
    Header(HeaderName),
    /// The value of a cookie; the client if the cookie is missing or repeated.
    Cookie(Box<str>),
    /// The first `n` segments of the path.
    Path(usize),
    /// The requested host.
    Host,
    /// No part: one quota for all requests.
    Global,
}

impl Key {
    /// Returns `true` if the client chooses the value.
    pub(super) const fn is_client_chosen(&self) -> bool {
        matches!(
            self,
            Self::Header(_) | Self::Cookie(_) | Self::Path(_) | Self::Host
        )
    }

    /// Hashes the value of this part for `facts`.
    pub(super) fn hash_part(&self, facts: &Facts<'_>, to: &mut impl Hasher) {
        match self {
            Self::Client => hash_client(&facts.client, to),
            Self::Prefix => hash_network(facts.client.addr(), to),
            Self::Header(name) => {
                let lines = facts.headers.get_all(name).iter();
                hash_single(lines.map(HeaderValue::as_bytes), facts, to);
            }
            Self::Cookie(name) => {
                let named = |(found, _): &(&[u8], _)| *found == name.as_bytes();
                let values = facts.cookies().filter(named).map(|(_, value)| value);
                hash_single(values, facts, to);
            }
            Self::Path(segments) => hash_path(facts, *segments, to),
            Self::Host => hash_folded(hosts::without_port(hosts::requested_host(facts)), to),
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
            Some(("header", name)) => Self::Header(
                name.parse()
                    .map_err(|_| "not a header name after `header:`")?,
            ),
            Some(("cookie", name)) if is_token(name) => Self::Cookie(name.into()),
            Some(("cookie", _)) => return Err("not a cookie name after `cookie:`"),
            Some(("path", segments)) => match segments.parse() {
                Ok(segments @ 1..=16) => Self::Path(segments),
                _ => return Err("write 1 to 16 segments, as in `path:2`"),
            },
            _ => {
                return Err(
                    "write `client`, `prefix`, `header:NAME`, `cookie:NAME`, `path`, `path:N`, `host` or `global`",
                );
            }
        })
    }
}

/// Hashes the network by which limits count a client. Not [`ClientIp::key`], which differs between instances.
pub(super) fn hash_client(client: &ClientIp, to: &mut impl Hasher) {
    match client.network() {
        IpNet::V4(network) => {
            to.write_u8(4);
            to.write_u32(network.addr().into());
        }
        IpNet::V6(network) => {
            to.write_u8(6);
            to.write_u128(network.addr().into());
            to.write_u8(network.prefix_len());
        }
    }
}

/// Hashes a single value. Without a value, or with several, hashes the client: requests without a
/// value must not share one quota, and with several it is unknown which one the server uses.
fn hash_single<'f>(
    mut values: impl Iterator<Item = &'f [u8]>,
    facts: &Facts<'_>,
    to: &mut impl Hasher,
) {
    let single = values.next().filter(|_| values.next().is_none());
    single.hash(to);
    if single.is_none() {
        hash_client(&facts.client, to);
    }
}

fn hash_network(addr: IpAddr, to: &mut impl Hasher) {
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

/// Hashes the path in its last view, so that percent-encoding does not select another quota. A view
/// without a host is left out, so that `//a/b` counts as `/a/b`.
///
/// A path with both a `?` and dot segments, which no browser sends, is hashed without its segments:
/// `/x?/../login` is `/login` for one server and `/x` for another, and the client chooses `x`.
fn hash_path(facts: &Facts<'_>, segments: usize, to: &mut impl Hasher) {
    let is_ambiguous = |view: View<'_>| {
        let has = |class| view.classes().intersects(class);
        has(PathClasses::PATH_END) && has(PathClasses::DOT_SEGMENT)
    };
    let views = facts.path.iter();
    let view = views
        .filter(|view| !view.transformations.cuts_host())
        .last();
    let view = view.filter(|_| !facts.path.iter().any(is_ambiguous));
    let all = view.into_iter().flat_map(|view| view.segments());
    for segment in all.take(segments) {
        hash_folded(segment.canonical_name(), to);
    }
}

/// Hashes `name` in lower case. It ends with 0xff, which never occurs in UTF-8.
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

/// Returns `true` if `name` can be the name of a cookie (RFC 6265, section 4.1.1).
fn is_token(name: &str) -> bool {
    let separator = |byte: u8| b"()<>@,;:\\\"/[]?={} \t".contains(&byte);
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !separator(b))
}
