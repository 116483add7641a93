//! What a request offers to become.
//!
//! curl and Java offer `h2c` with honest requests, and a server may ignore it (RFC 9110, 7.8). One
//! that takes it speaks HTTP/2 from then on, past whoever judges HTTP/1.1, so nobody behind the wall
//! is told of the offer.

use gabion_core::{MessageKinds, Mode, SessionLimits, Upgrade, tokens};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request,
    header::{CONNECTION, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
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

/// Takes off what a handshake offers beyond `session_limits`: where messages are read, every extension whose
/// bits could not be; and subprotocols that are not named, unless it is `observed` only.
pub(super) fn narrow(headers: &mut HeaderMap, session_limits: &SessionLimits, observed: bool) {
    if session_limits.message_kinds != MessageKinds::None {
        retain(headers, &SEC_WEBSOCKET_EXTENSIONS, |extension| {
            let name = extension.split(|&byte| byte == b';').next();
            let name = name.unwrap_or_default().trim_ascii();
            session_limits.inflates && name.eq_ignore_ascii_case(b"permessage-deflate")
        });
    }
    if !session_limits.subprotocols.is_empty() && session_limits.mode == Mode::Enforce && !observed
    {
        retain(headers, &SEC_WEBSOCKET_PROTOCOL, |offered| {
            let named = |name: &str| name.as_bytes() == offered;
            session_limits.subprotocols.iter().any(|name| named(name))
        });
    }
}

/// Takes `names` off `Connection`.
fn denominate(headers: &mut HeaderMap, names: &[HeaderName]) {
    let is = |token: &[u8], name: &HeaderName| token.eq_ignore_ascii_case(name.as_str().as_bytes());
    retain(headers, &CONNECTION, |token| {
        !names.iter().any(|name| is(token, name))
    });
}

/// Keeps the items of a list header that are `such`, on one line, or takes it off.
fn retain(headers: &mut HeaderMap, name: &HeaderName, such: impl Fn(&[u8]) -> bool) {
    let left: Vec<_> = tokens(headers, name).filter(|item| such(item)).collect();
    match HeaderValue::from_bytes(&left.join(&b", "[..])) {
        Ok(left) if !left.is_empty() => drop(headers.insert(name, left)),
        _ => drop(headers.remove(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of `offered` under `session_limits`, line by line.
    fn left(
        name: &HeaderName,
        offered: &[&'static str],
        session_limits: &SessionLimits,
    ) -> Vec<String> {
        let lines = offered.iter().map(|line| HeaderValue::from_static(line));
        let mut headers: HeaderMap = lines.map(|line| (name.clone(), line)).collect();
        narrow(&mut headers, session_limits, false);
        let left = headers.get_all(name).iter();
        left.map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn extensions_that_could_not_be_read_are_not_offered() {
        let offered = [
            "permessage-deflate; server_max_window_bits=10, x-webkit-deflate-frame",
            "Permessage-Deflate, bbf-usp-protocol; eid=\"a,b\"",
        ];
        let session_limits = |message_kinds, inflates| SessionLimits {
            message_kinds,
            inflates,
            ..SessionLimits::default()
        };
        for (session_limits, expected) in [
            (session_limits(MessageKinds::None, false), &offered[..]),
            (session_limits(MessageKinds::Text, false), &[]),
            (
                session_limits(MessageKinds::All, true),
                &["permessage-deflate; server_max_window_bits=10, Permessage-Deflate"],
            ),
        ] {
            let left = left(&SEC_WEBSOCKET_EXTENSIONS, &offered, &session_limits);
            assert_eq!(left, expected, "{session_limits:?}");
        }
    }

    #[test]
    fn subprotocols_that_are_not_named_are_not_offered_unless_that_only_observes() {
        let offered = ["v12.stomp, MQTT", "mqtt"];
        let session_limits = |named: &[&str], mode| SessionLimits {
            subprotocols: named.iter().map(|name| (*name).into()).collect(),
            mode,
            ..SessionLimits::default()
        };
        for (session_limits, expected) in [
            (session_limits(&[], Mode::Enforce), &offered[..]),
            (
                session_limits(&["mqtt", "v12.stomp"], Mode::Enforce),
                &["v12.stomp, mqtt"],
            ),
            (session_limits(&["mqtt"], Mode::Enforce), &["mqtt"]),
            (session_limits(&["mqtt"], Mode::Observe), &offered),
        ] {
            let left = left(&SEC_WEBSOCKET_PROTOCOL, &offered, &session_limits);
            assert_eq!(left, expected, "{session_limits:?}");
        }
    }
}
