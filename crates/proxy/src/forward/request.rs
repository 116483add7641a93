//! Rewrites a request head for the upstream.

use gabion_core::PeerAddr;
use http::{
    HeaderValue, Version,
    header::{COOKIE, EXPECT, HOST},
    request::Parts,
    uri::{Authority, PathAndQuery},
};

use super::{
    error::RequestError,
    forwarded,
    headers::{join_lines, set_framing, strip_hop_by_hop},
};
/// Rewrites a head by `peer` for HTTP/1.1. `length` is the body's length, if known; `authority` is for a request that
/// names no host. The claims that
/// the peer may not write must have been removed.
pub(super) fn rewrite_head(
    parts: &mut Parts,
    peer: PeerAddr,
    length: Option<u64>,
    authority: &str,
) -> Result<(), RequestError> {
    normalize_host(parts)?;
    let headers = &mut parts.headers;
    strip_hop_by_hop(headers);
    if parts.version == Version::HTTP_2 {
        // RFC 9113, 8.2.3: HTTP/2 may split cookies over several lines, HTTP/1.1 may not.
        join_lines(headers, COOKIE, b"; ");
    }
    // The proxy meets the expectation itself: hyper sends 100 Continue to the client once the
    // upstream side reads the body, and does not wait for the upstream's. A forwarded Expect would
    // announce a pause that does not occur.
    headers.remove(EXPECT);
    let scheme = parts.extensions.get().copied().unwrap_or_default();
    forwarded::set_sender_headers(headers, peer, scheme);
    if !headers.contains_key(HOST) {
        // HTTP/1.0 has no Host; HTTP/1.1 requires one (RFC 9112, 3.2).
        let host = HeaderValue::from_str(authority);
        headers.extend(host.ok().map(|host| (HOST, host)));
    }
    set_framing(headers, length);
    let target = parts.uri.path_and_query().cloned();
    parts.uri = with_path(target.ok_or(RequestError::NoPath)?).into();
    parts.version = Version::HTTP_11;
    Ok(())
}

/// Replaces the empty path of a target such as `http://a#b` by `/` (RFC 9112, 3.2.1).
fn with_path(target: PathAndQuery) -> PathAndQuery {
    if target.as_str() == "/" {
        // An empty path is displayed as `/`, but written as nothing by hyper.
        return PathAndQuery::from_static("/");
    }
    target
}

/// Leaves one Host: the target's authority if it has one (RFC 9112, 3.2.2; RFC 9113, 8.3.1).
fn normalize_host(parts: &mut Parts) -> Result<(), RequestError> {
    if let Some(host) = parts.uri.authority().and_then(host_without_userinfo) {
        parts.headers.insert(HOST, host);
    }
    match parts.headers.get_all(HOST).iter().nth(1) {
        Some(_) => Err(RequestError::ManyHosts),
        None => Ok(()),
    }
}

/// Returns host and port, without the userinfo part of an authority.
fn host_without_userinfo(authority: &Authority) -> Option<HeaderValue> {
    let host = authority.as_str().rsplit('@').next()?;
    HeaderValue::from_str(host).ok()
}
