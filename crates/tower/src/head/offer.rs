//! What a request offers to become.
//!
//! curl and Java offer `h2c` with honest requests, and a server may ignore it (RFC 9110, 7.8). One
//! that takes it speaks HTTP/2 from then on, past whoever judges HTTP/1.1, so nobody behind the wall
//! is told of the offer.

use gabion_core::Upgrade;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request,
    header::{CONNECTION, UPGRADE},
};

use crate::protocol::forget_upgrade;

/// The settings that come with an offer of `h2c` (RFC 7540, 3.2.1).
const SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Whether there may be an offer.
pub(super) fn stands_in(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE) || headers.contains_key(SETTINGS)
}

/// Takes off every offer but that of a WebSocket.
///
/// Half a handshake is left as it is: it is refused, unless the policy only observes and the service
/// is to see what was sent.
pub(super) fn decline<B>(request: &mut Request<B>, upgrade: Upgrade) {
    request.headers_mut().remove(SETTINGS);
    match upgrade {
        Upgrade::WebSocket if request.headers().contains_key(UPGRADE) => {
            let alone = HeaderValue::from_static("websocket");
            request.headers_mut().insert(UPGRADE, alone);
            denominate(request.headers_mut(), &[SETTINGS]);
        }
        Upgrade::Other => {
            request.headers_mut().remove(UPGRADE);
            denominate(request.headers_mut(), &[UPGRADE, SETTINGS]);
            forget_upgrade(request.extensions_mut());
        }
        _ => {}
    }
}

/// Takes `names` off `Connection`.
fn denominate(headers: &mut HeaderMap, names: &[HeaderName]) {
    let gone = |token: &[u8]| {
        names
            .iter()
            .any(|name| token.eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    let lines = headers
        .get_all(CONNECTION)
        .iter()
        .map(HeaderValue::as_bytes);
    let tokens = lines.flat_map(|line| line.split(|&byte| byte == b','));
    let left: Vec<_> = tokens
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty() && !gone(token))
        .collect();
    match HeaderValue::from_bytes(&left.join(&b", "[..])) {
        Ok(left) if !left.is_empty() => drop(headers.insert(CONNECTION, left)),
        _ => drop(headers.remove(CONNECTION)),
    }
}
