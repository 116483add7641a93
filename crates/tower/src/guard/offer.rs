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

use crate::protocol::remove_upgrade;

/// The settings that come with an offer of `h2c` (RFC 7540, 3.2.1).
const SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Whether there may be an offer.
pub(super) fn has_upgrade_offer(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE) || headers.contains_key(SETTINGS)
}

/// Takes off every offer but that of a WebSocket.
///
/// Half a handshake is left as it is: it is refused, unless the policy only observes and the service
/// is to see what was sent.
pub(super) fn strip<B>(request: &mut Request<B>, upgrade: Upgrade) {
    request.headers_mut().remove(SETTINGS);
    match upgrade {
        Upgrade::WebSocket if request.headers().contains_key(UPGRADE) => {
            let websocket = HeaderValue::from_static("websocket");
            request.headers_mut().insert(UPGRADE, websocket);
            remove_from_connection(request.headers_mut(), &[SETTINGS]);
        }
        Upgrade::Other => {
            request.headers_mut().remove(UPGRADE);
            remove_from_connection(request.headers_mut(), &[UPGRADE, SETTINGS]);
            remove_upgrade(request.extensions_mut());
        }
        _ => {}
    }
}

/// Takes off what a handshake offers beyond `limits`: where messages are read, every extension whose
/// bits could not be; and subprotocols that are not named, unless it is `observed` only.
pub(super) fn restrict_handshake(headers: &mut HeaderMap, limits: &SessionLimits, observed: bool) {
    if limits.message_kinds != MessageKinds::None {
        retain(headers, &SEC_WEBSOCKET_EXTENSIONS, |extension| {
            let name = extension.split(|&byte| byte == b';').next();
            let name = name.unwrap_or_default().trim_ascii();
            limits.inflates && name.eq_ignore_ascii_case(b"permessage-deflate")
        });
    }
    if !limits.subprotocols.is_empty() && limits.mode == Mode::Enforce && !observed {
        retain(headers, &SEC_WEBSOCKET_PROTOCOL, |offered| {
            let is_listed = |name: &str| name.as_bytes() == offered;
            limits.subprotocols.iter().any(|name| is_listed(name))
        });
    }
}

/// Takes `names` off `Connection`.
fn remove_from_connection(headers: &mut HeaderMap, names: &[HeaderName]) {
    let is_equal =
        |token: &[u8], name: &HeaderName| token.eq_ignore_ascii_case(name.as_str().as_bytes());
    retain(headers, &CONNECTION, |token| {
        !names.iter().any(|name| is_equal(token, name))
    });
}

/// Keeps the items of a list header that are `keep`, on one line, or takes it off.
fn retain(headers: &mut HeaderMap, name: &HeaderName, keep: impl Fn(&[u8]) -> bool) {
    let kept: Vec<_> = tokens(headers, name).filter(|item| keep(item)).collect();
    match HeaderValue::from_bytes(&kept.join(&b", "[..])) {
        Ok(kept) if !kept.is_empty() => drop(headers.insert(name, kept)),
        _ => drop(headers.remove(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of `offered` under `limits`, line by line.
    fn kept(name: &HeaderName, offered: &[&'static str], limits: &SessionLimits) -> Vec<String> {
        let lines = offered.iter().map(|line| HeaderValue::from_static(line));
        let mut headers: HeaderMap = lines.map(|line| (name.clone(), line)).collect();
        restrict_handshake(&mut headers, limits, false);
        let kept = headers.get_all(name).iter();
        kept.map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn extensions_that_could_not_be_read_are_not_offered() {
        let offered = [
            "permessage-deflate; server_max_window_bits=10, x-webkit-deflate-frame",
            "Permessage-Deflate, bbf-usp-protocol; eid=\"a,b\"",
        ];
        let limits = |message_kinds, inflates| SessionLimits {
            message_kinds,
            inflates,
            ..SessionLimits::default()
        };
        for (limits, expected) in [
            (limits(MessageKinds::None, false), &offered[..]),
            (limits(MessageKinds::Text, false), &[]),
            (
                limits(MessageKinds::All, true),
                &["permessage-deflate; server_max_window_bits=10, Permessage-Deflate"],
            ),
        ] {
            let kept = kept(&SEC_WEBSOCKET_EXTENSIONS, &offered, &limits);
            assert_eq!(kept, expected, "{limits:?}");
        }
    }

    #[test]
    fn subprotocols_that_are_not_named_are_not_offered_unless_that_only_observes() {
        let offered = ["v12.stomp, MQTT", "mqtt"];
        let limits = |listed: &[&str], mode| SessionLimits {
            subprotocols: listed.iter().map(|name| (*name).into()).collect(),
            mode,
            ..SessionLimits::default()
        };
        for (limits, expected) in [
            (limits(&[], Mode::Enforce), &offered[..]),
            (
                limits(&["mqtt", "v12.stomp"], Mode::Enforce),
                &["v12.stomp, mqtt"],
            ),
            (limits(&["mqtt"], Mode::Enforce), &["mqtt"]),
            (limits(&["mqtt"], Mode::Observe), &offered),
        ] {
            let kept = kept(&SEC_WEBSOCKET_PROTOCOL, &offered, &limits);
            assert_eq!(kept, expected, "{limits:?}");
        }
    }
}
