//! Checks of requests that leave HTTP.

use gabion_core::{Denial, Diagnosis, Facts, KnownHeader, Upgrade};
use http::{
    HeaderValue, Method, StatusCode, Version,
    header::{ALLOW, SEC_WEBSOCKET_VERSION, UPGRADE},
};

use super::{deny, deny_400, rules::RuleSet};

/// Denies CONNECT for anything but a WebSocket (RFC 9110, section 9.3.6; RFC 8441, section 4).
pub(super) fn tunnel(facts: &Facts<'_>) -> Option<Denial> {
    let (id, why, status) = match facts.upgrade {
        Upgrade::Tunnel => (
            "connect/tunnel",
            "CONNECT without :protocol opens a tunnel",
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        Upgrade::OtherProtocol => (
            "connect/protocol",
            "CONNECT with a :protocol other than websocket",
            StatusCode::NOT_IMPLEMENTED,
        ),
        _ => return None,
    };
    let target = facts.uri.authority().map_or("", |name| name.as_str());
    Some(deny(id, why, status).with_evidence(target.as_bytes()))
}

/// Denies an incomplete handshake, and one that the guarded server would answer differently from
/// what the hops in front expect. The data after it would be WebSocket frames to one and requests
/// to the other.
pub(super) fn check(facts: &Facts<'_>, skipped: RuleSet) -> Option<Denial> {
    let unless_skipped = |denial| skipped.unless_in(denial);
    match facts.upgrade {
        Upgrade::Incomplete => unless_skipped(incomplete(facts)),
        Upgrade::None => stripped(facts).and_then(unless_skipped),
        Upgrade::WebSocket => (method(facts).and_then(unless_skipped))
            .or_else(|| body(facts).and_then(unless_skipped))
            .or_else(|| version(facts).and_then(unless_skipped))
            .or_else(|| key(facts).and_then(unless_skipped)),
        _ => None,
    }
}

/// Denies `Upgrade: websocket` without `Connection: upgrade`, or in an HTTP version without
/// upgrades.
fn incomplete(facts: &Facts<'_>) -> Denial {
    let connection = facts
        .index
        .first(KnownHeader::Connection)
        .map(HeaderValue::as_bytes);
    let why = "Upgrade: websocket without Connection: upgrade on HTTP/1.1";
    deny_400("upgrade/incomplete", why, connection.unwrap_or_default())
        .with_diagnosis(hop(facts, Diagnosis::NotNominated))
}

/// Denies a handshake without `Upgrade`. No client sends one, and the service would answer with a
/// page.
fn stripped(facts: &Facts<'_>) -> Option<Denial> {
    let key = only(facts, KnownHeader::SecWebSocketKey).filter(|key| is_key(key))?;
    let is_version_13 = only(facts, KnownHeader::SecWebSocketVersion) == Some(b"13");
    (is_version_13 && *facts.method == Method::GET).then(|| {
        let why = "Sec-WebSocket-Key and Sec-WebSocket-Version without Upgrade: websocket";
        deny_400("upgrade/stripped", why, key).with_diagnosis(hop(facts, Diagnosis::HopStripped))
    })
}

/// Returns the diagnosis of the hop in front: `otherwise`, unless it uses HTTP/1.0.
fn hop(facts: &Facts<'_>, otherwise: Diagnosis) -> Diagnosis {
    if facts.version == Version::HTTP_10 {
        Diagnosis::Http10Hop
    } else {
        otherwise
    }
}

/// Denies methods other than GET, or CONNECT on HTTP/2 (RFC 6455, section 4.1, item 2).
fn method(facts: &Facts<'_>) -> Option<Denial> {
    let other = ![Method::GET, Method::CONNECT].contains(facts.method);
    other.then(|| {
        let why = "WebSocket handshake with a method other than GET";
        deny("upgrade/method", why, StatusCode::METHOD_NOT_ALLOWED)
            .with_evidence(facts.method.as_str().as_bytes())
            .with_header(ALLOW, HeaderValue::from_static("GET"))
    })
}

/// Denies a body, which a server could read as frames, or frames as a body.
fn body(facts: &Facts<'_>) -> Option<Denial> {
    let length = facts.index.first(KnownHeader::ContentLength);
    let length = length.filter(|length| length.as_bytes().iter().any(|&digit| digit != b'0'));
    let body = length.or_else(|| facts.index.first(KnownHeader::TransferEncoding))?;
    let why = "WebSocket handshake with a body";
    Some(deny_400("upgrade/body", why, body.as_bytes()))
}

/// Denies versions other than 13. The response has the supported version (RFC 6455, section 4.4).
/// HTTP/2 has the same header (RFC 8441, section 5), but no `Upgrade`.
fn version(facts: &Facts<'_>) -> Option<Denial> {
    let found = match only(facts, KnownHeader::SecWebSocketVersion) {
        Some(b"13") => return None,
        found => found.unwrap_or_default(),
    };
    let why = "Sec-WebSocket-Version is not a single 13";
    let denial = deny("upgrade/version", why, StatusCode::UPGRADE_REQUIRED)
        .with_evidence(found)
        .with_diagnosis(Diagnosis::BadHandshake)
        .with_header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    Some(if facts.version == Version::HTTP_11 {
        denial.with_header(UPGRADE, HeaderValue::from_static("websocket"))
    } else {
        denial
    })
}

/// Denies a key that is not 16 bytes in base64 (RFC 6455, section 4.1, item 7). HTTP/2 has no key
/// (RFC 8441, section 5).
fn key(facts: &Facts<'_>) -> Option<Denial> {
    if facts.version != Version::HTTP_11 {
        return None;
    }
    let found = only(facts, KnownHeader::SecWebSocketKey).unwrap_or_default();
    let why = "Sec-WebSocket-Key is not 16 bytes in base64";
    let denial = || deny_400("upgrade/key", why, found).with_diagnosis(Diagnosis::BadHandshake);
    (!is_key(found)).then(denial)
}

fn is_key(text: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let digits = text.strip_suffix(b"==");
    digits.is_some_and(|digits| digits.len() == 22 && digits.iter().all(letter))
}

/// Returns the value of a header that occurs exactly once.
fn only<'f>(facts: &Facts<'f>, header: KnownHeader) -> Option<&'f [u8]> {
    facts.index.single(header).map(HeaderValue::as_bytes)
}
