//! What the upstream is told of the sender.
//!
//! Anyone can write these headers, so what a stranger says of itself is dropped. A trusted peer is
//! believed: it must overwrite, or drop, each of them that its own clients could send.

use std::{io::Write as _, net::IpAddr};

use bytes::Bytes;
use gabion_core::{ClientIp, PeerAddr};
use http::{HeaderMap, HeaderName, HeaderValue, header::HOST};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST_ASKED: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How the names of claims begin.
const CLAIMS: [&str; 3] = ["forwarded", "x-forwarded-", "x-real-ip"];

/// Sets the sender's headers: after the claims of a trusted peer, in place of a stranger's.
pub(super) fn announce(headers: &mut HeaderMap, peer: PeerAddr, client: Option<ClientIp>) {
    drop_claims(headers, client.is_some_and(|client| client.via_trusted()));
    if let Ok(chain) = HeaderValue::from_maybe_shared(chain(headers, peer.addr())) {
        headers.insert(FOR, chain);
    }
    if !headers.contains_key(PROTO) {
        headers.insert(PROTO, HeaderValue::from_static("http"));
    }
    if let Some(host) = headers
        .get(HOST)
        .filter(|_| !headers.contains_key(HOST_ASKED))
    {
        headers.insert(HOST_ASKED, host.clone());
    }
}

/// Whoever the request came through, the peer last, on one line: many servers read the first line
/// only, or the last.
fn chain(headers: &HeaderMap, peer: IpAddr) -> Bytes {
    let mut chain = Vec::with_capacity(64);
    for line in headers.get_all(FOR) {
        chain.extend_from_slice(line.as_bytes());
        chain.extend_from_slice(b", ");
    }
    match peer {
        // As `Display` writes it, in a quarter of the time.
        IpAddr::V4(peer) => {
            let mut dot: &[u8] = b"";
            for octet in peer.octets() {
                chain.extend_from_slice(dot);
                chain.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
                dot = b".";
            }
        }
        IpAddr::V6(peer) => {
            // Writing into memory does not fail.
            let _ = write!(chain, "{peer}");
        }
    }
    chain.into()
}

/// Drops claims about the sender. Those of a trusted peer stay, but not `X_Forwarded_For` and the
/// like: nobody judged it, and CGI, WSGI and their kin read it as the real one.
fn drop_claims(headers: &mut HeaderMap, trusted: bool) {
    let claims: Vec<_> = headers
        .keys()
        .filter(|name| is_claim(name) && (!trusted || name.as_str().contains('_')))
        .cloned()
        .collect();
    for claim in claims {
        headers.remove(claim);
    }
}

fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    if !matches!(name.first(), Some(b'f' | b'x')) {
        return false;
    }
    let same = |(&byte, &claimed): (&u8, &u8)| byte == claimed || (byte, claimed) == (b'_', b'-');
    CLAIMS
        .iter()
        .any(|claim| name.len() >= claim.len() && name.iter().zip(claim.as_bytes()).all(same))
}
