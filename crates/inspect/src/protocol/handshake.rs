//! Requests to leave HTTP.

use gabion_core::{Denial, Diagnosis, Facts, Upgrade};
use http::{
    HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{
        ALLOW, CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
        TRANSFER_ENCODING, UPGRADE,
    },
};

use super::{bad, refuse};

/// Refuses CONNECT for anything but a WebSocket (RFC 9110, 9.3.6; RFC 8441, 4).
pub(super) fn tunnel(facts: &Facts<'_>) -> Option<Denial> {
    let (id, why, status) = match facts.upgrade {
        Upgrade::Tunnel => (
            "connect/tunnel",
            "CONNECT without :protocol asks for a tunnel",
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        Upgrade::OtherProtocol => (
            "connect/protocol",
            "CONNECT for another :protocol than websocket",
            StatusCode::NOT_IMPLEMENTED,
        ),
        _ => return None,
    };
    let target = facts.uri.authority().map_or("", |name| name.as_str());
    Some(refuse(id, why, status).with_evidence(target.as_bytes()))
}

/// Refuses half a handshake, and one that a server behind would answer otherwise than the hops in
/// front of it expect: what follows would be a socket to one and requests to the other.
pub(super) fn check(facts: &Facts<'_>) -> Option<Denial> {
    match facts.upgrade {
        Upgrade::Incomplete => Some(incomplete(facts)),
        Upgrade::None => stripped(facts),
        Upgrade::WebSocket => method(facts)
            .or_else(|| body(facts))
            .or_else(|| version(facts))
            .or_else(|| key(facts)),
        _ => None,
    }
}

/// `Upgrade: websocket` that is not nominated, or where there are no upgrades.
fn incomplete(facts: &Facts<'_>) -> Denial {
    let said = facts.headers.get(CONNECTION).map(HeaderValue::as_bytes);
    let why = "Upgrade: websocket without Connection: upgrade on HTTP/1.1";
    bad("upgrade/incomplete", why, said.unwrap_or_default())
        .with_diagnosis(hop(facts, Diagnosis::NotNominated))
}

/// All of a handshake but `Upgrade`: no client asks so, and the service would answer with a page.
fn stripped(facts: &Facts<'_>) -> Option<Denial> {
    let key = only(facts, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key))?;
    let asks = only(facts, &SEC_WEBSOCKET_VERSION) == Some(b"13");
    (asks && *facts.method == Method::GET).then(|| {
        let why = "a WebSocket's key and version without Upgrade: websocket";
        bad("upgrade/stripped", why, key).with_diagnosis(hop(facts, Diagnosis::HopStripped))
    })
}

/// What is wrong with the hop in front: `otherwise`, unless it speaks HTTP/1.0.
fn hop(facts: &Facts<'_>, otherwise: Diagnosis) -> Diagnosis {
    if facts.version == Version::HTTP_10 {
        Diagnosis::Http10Hop
    } else {
        otherwise
    }
}

/// RFC 6455, 4.1, item 2.
fn method(facts: &Facts<'_>) -> Option<Denial> {
    let other = ![Method::GET, Method::CONNECT].contains(facts.method);
    other.then(|| {
        let why = "a WebSocket is asked for with GET";
        refuse("upgrade/method", why, StatusCode::METHOD_NOT_ALLOWED)
            .with_evidence(facts.method.as_str().as_bytes())
            .with_header(ALLOW, HeaderValue::from_static("GET"))
    })
}

/// A body would be read as frames, or frames as a body.
fn body(facts: &Facts<'_>) -> Option<Denial> {
    let length = facts.headers.get(CONTENT_LENGTH);
    let length = length.filter(|length| length.as_bytes().iter().any(|&digit| digit != b'0'));
    let body = length.or_else(|| facts.headers.get(TRANSFER_ENCODING))?;
    let why = "a handshake with a body";
    Some(bad("upgrade/body", why, body.as_bytes()))
}

/// RFC 6455, 4.4: the answer says which version is spoken here. On HTTP/2 the header is the same
/// (RFC 8441, 5), and nothing is upgraded there.
fn version(facts: &Facts<'_>) -> Option<Denial> {
    let found = match only(facts, &SEC_WEBSOCKET_VERSION) {
        Some(b"13") => return None,
        found => found.unwrap_or_default(),
    };
    let why = "Sec-WebSocket-Version is not one 13";
    let denial = refuse("upgrade/version", why, StatusCode::UPGRADE_REQUIRED)
        .with_evidence(found)
        .with_diagnosis(Diagnosis::BadHandshake)
        .with_header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    Some(if facts.version == Version::HTTP_11 {
        denial.with_header(UPGRADE, HeaderValue::from_static("websocket"))
    } else {
        denial
    })
}

/// RFC 6455, 4.1, item 7: 16 bytes in base64. RFC 8441, 5: HTTP/2 has no key.
fn key(facts: &Facts<'_>) -> Option<Denial> {
    if facts.version != Version::HTTP_11 {
        return None;
    }
    let found = only(facts, &SEC_WEBSOCKET_KEY).unwrap_or_default();
    let why = "Sec-WebSocket-Key is not one of 16 bytes in base64";
    let refused = || bad("upgrade/key", why, found).with_diagnosis(Diagnosis::BadHandshake);
    (!is_key(found)).then(refused)
}

fn is_key(text: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let digits = text.strip_suffix(b"==");
    digits.is_some_and(|digits| digits.len() == 22 && digits.iter().all(letter))
}

/// The value of a header that stands there once.
fn only<'f>(facts: &'f Facts<'_>, name: &HeaderName) -> Option<&'f [u8]> {
    let mut lines = facts.headers.get_all(name).iter();
    let line = lines.next().map(HeaderValue::as_bytes);
    line.filter(|_| lines.next().is_none())
}
