//! The protocols that a request offers to upgrade to.
//!
//! curl and Java offer `h2c` in regular requests, and a server may ignore the offer (RFC 9110,
//! 7.8). A server that accepts it switches to HTTP/2, which the layer does not see. Therefore the
//! offer does not reach the service.

use gabion_core::{Facts, KnownHeader, MessageKinds, Mode, SessionLimits, Upgrade, tokens};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request,
    header::{CONNECTION, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
};

use crate::protocol::remove_upgrade;

/// The settings that come with an offer of `h2c` (RFC 7540, 3.2.1).
const SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Returns the upgrade of a request whose headers may contain an offer.
pub(super) fn find(facts: &Facts<'_>) -> Option<Upgrade> {
    let has_settings = || facts.index.contains(KnownHeader::Http2Settings);
    let is_offered = facts.upgrade != Upgrade::None || has_settings();
    is_offered.then_some(facts.upgrade)
}

/// Removes every upgrade offer except that of a WebSocket.
///
/// An incomplete handshake is left unchanged: it is denied, unless the policy is in observe mode,
/// in which the service must see the request as sent.
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

/// Removes the parts of a handshake that `limits` do not allow: if messages are inspected,
/// extensions that make frames unreadable; and subprotocols that are not listed, unless `observed`.
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

/// Removes `names` from `Connection`.
fn remove_from_connection(headers: &mut HeaderMap, names: &[HeaderName]) {
    let is_equal =
        |token: &[u8], name: &HeaderName| token.eq_ignore_ascii_case(name.as_str().as_bytes());
    retain(headers, &CONNECTION, |token| {
        !names.iter().any(|name| is_equal(token, name))
    });
}

/// Keeps the items of a list header for which `keep` returns `true`, on one line. Removes an empty
/// header.
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

    /// The lines of header `name` that remain of `offered` under `limits`.
    fn kept(name: &HeaderName, offered: &[&'static str], limits: &SessionLimits) -> Vec<String> {
        let lines = offered.iter().map(|line| HeaderValue::from_static(line));
        let mut headers: HeaderMap = lines.map(|line| (name.clone(), line)).collect();
        restrict_handshake(&mut headers, limits, false);
        let kept = headers.get_all(name).iter();
        kept.map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn unreadable_extensions_are_not_offered_if_messages_are_inspected() {
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
    fn unlisted_subprotocols_are_not_offered_except_in_observe_mode() {
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
