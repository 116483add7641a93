//! Whether a request wants to leave HTTP.

use http::{
    HeaderMap, HeaderName, Method, Version,
    header::{CONNECTION, UPGRADE},
};

use crate::Head;

/// How a request asks to turn its connection, or its stream, into something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Upgrade {
    /// It stays HTTP.
    None,
    /// A WebSocket: `Upgrade: websocket` nominated by `Connection` on HTTP/1.1 (RFC 6455), or
    /// CONNECT with `:protocol = websocket` on HTTP/2 (RFC 8441).
    WebSocket,
    /// CONNECT without `:protocol`: a tunnel to the authority (RFC 9110, 9.3.6).
    Tunnel,
    /// CONNECT with a `:protocol` other than websocket.
    OtherProtocol,
    /// An `Upgrade` header to something other than websocket, `h2c` among them.
    Other,
    /// An `Upgrade` header that `Connection` does not nominate, or on a version that has no
    /// upgrades: a hop in front dropped its half, or it is a probe.
    Incomplete,
}

impl Upgrade {
    /// Reads it off a head.
    pub(crate) fn of(head: &Head<'_>) -> Self {
        if *head.method == Method::CONNECT {
            return match head.protocol {
                None => Self::Tunnel,
                Some(protocol) if protocol.eq_ignore_ascii_case("websocket") => Self::WebSocket,
                Some(_) => Self::OtherProtocol,
            };
        }
        if !head.headers.contains_key(UPGRADE) {
            return Self::None;
        }
        if head.version != Version::HTTP_11 || !lists(head.headers, &CONNECTION, "upgrade") {
            return Self::Incomplete;
        }
        if lists(head.headers, &UPGRADE, "websocket") {
            Self::WebSocket
        } else {
            Self::Other
        }
    }
}

/// Whether any line of a list header holds `token`, whatever its case.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Uri};

    use super::*;

    #[track_caller]
    fn check(
        method: &str,
        version: Version,
        headers: &[(&str, &str)],
        protocol: Option<&str>,
    ) -> Upgrade {
        let method: Method = method.parse().unwrap();
        let uri = Uri::from_static("/ws");
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name: HeaderName = name.parse().unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        Upgrade::of(&Head {
            method: &method,
            uri: &uri,
            version,
            headers: &headers,
            protocol,
        })
    }

    #[test]
    fn http1_handshakes() {
        let v11 = Version::HTTP_11;
        let ask = ("upgrade", "WebSocket");
        let both = [ask, ("connection", "keep-alive, Upgrade")];
        assert_eq!(check("GET", v11, &both, None), Upgrade::WebSocket);
        assert_eq!(check("GET", v11, &[], None), Upgrade::None);
        assert_eq!(check("GET", v11, &[ask], None), Upgrade::Incomplete);
        assert_eq!(
            check("GET", Version::HTTP_10, &both, None),
            Upgrade::Incomplete
        );
        let h2c = [
            ("upgrade", "h2c"),
            ("connection", "upgrade, http2-settings"),
        ];
        assert_eq!(check("GET", v11, &h2c, None), Upgrade::Other);
        let split = [ask, ("connection", "close"), ("connection", "upgrade")];
        assert_eq!(check("GET", v11, &split, None), Upgrade::WebSocket);
    }

    #[test]
    fn http2_handshakes() {
        let v2 = Version::HTTP_2;
        assert_eq!(
            check("CONNECT", v2, &[], Some("websocket")),
            Upgrade::WebSocket
        );
        assert_eq!(
            check("CONNECT", v2, &[], Some("connect-udp")),
            Upgrade::OtherProtocol
        );
        assert_eq!(check("CONNECT", v2, &[], None), Upgrade::Tunnel);
    }
}
