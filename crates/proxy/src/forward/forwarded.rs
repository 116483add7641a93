//! The headers that name the sender of a request to the upstream.

use std::{io::Write as _, net::IpAddr};

use bytes::Bytes;
use gabion_core::{PeerAddr, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, header::HOST};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Sets the headers about the sender, whose connection has this `scheme`: appends to those that are left, which a
/// trusted proxy wrote.
pub(super) fn set_sender_headers(headers: &mut HeaderMap, peer: PeerAddr, scheme: Scheme) {
    if let Ok(forwarded_for) = HeaderValue::from_maybe_shared(forwarded_for(headers, peer.addr())) {
        headers.insert(FORWARDED_FOR, forwarded_for);
    }
    if !headers.contains_key(FORWARDED_PROTO) {
        let proto = match scheme {
            Scheme::Plain => "http",
            Scheme::Secure => "https",
        };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
    if let Some(host) = headers
        .get(HOST)
        .filter(|_| !headers.contains_key(FORWARDED_HOST))
    {
        headers.insert(FORWARDED_HOST, host.clone());
    }
}

/// Returns the `X-Forwarded-For` chain with the peer last, on one line: many servers read only the
/// first line, or only the last.
fn forwarded_for(headers: &HeaderMap, peer: IpAddr) -> Bytes {
    let mut forwarded_for = Vec::with_capacity(64);
    for line in headers.get_all(FORWARDED_FOR) {
        forwarded_for.extend_from_slice(line.as_bytes());
        forwarded_for.extend_from_slice(b", ");
    }
    match peer {
        // Writes the same text as `Display`, in a quarter of the time.
        IpAddr::V4(peer) => {
            let mut dot: &[u8] = b"";
            for octet in peer.octets() {
                forwarded_for.extend_from_slice(dot);
                forwarded_for.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
                dot = b".";
            }
        }
        IpAddr::V6(peer) => {
            // Writing to memory does not fail.
            let _ = write!(forwarded_for, "{peer}");
        }
    }
    forwarded_for.into()
}
