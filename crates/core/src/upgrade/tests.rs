use http::{HeaderValue, Uri};

use http::{HeaderMap, HeaderName};

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
    Upgrade::detect(&Head {
        method: &method,
        uri: &uri,
        version,
        headers: &headers,
        protocol,
        framing: crate::Framing::AsShown,
        scheme: crate::Scheme::Plain,
    })
}

#[test]
fn http1_handshakes() {
    let v11 = Version::HTTP_11;
    let upgrade = ("upgrade", "WebSocket");
    let both = [upgrade, ("connection", "keep-alive, Upgrade")];
    assert_eq!(check("GET", v11, &both, None), Upgrade::WebSocket);
    assert_eq!(check("GET", v11, &[], None), Upgrade::None);
    assert_eq!(check("GET", v11, &[upgrade], None), Upgrade::Incomplete);
    assert_eq!(
        check("GET", Version::HTTP_10, &both, None),
        Upgrade::Incomplete
    );
    let h2c = [
        ("upgrade", "h2c"),
        ("connection", "upgrade, http2-settings"),
    ];
    assert_eq!(check("GET", v11, &h2c, None), Upgrade::Other);
    assert_eq!(check("GET", v11, &h2c[..1], None), Upgrade::Other);
    assert_eq!(
        check("GET", Version::HTTP_10, &h2c, None),
        Upgrade::Other,
        "ignored in HTTP/1.0, not refused"
    );
    let either = [("upgrade", "h2c, websocket"), ("connection", "upgrade")];
    assert_eq!(check("GET", v11, &either, None), Upgrade::WebSocket);
    let split = [upgrade, ("connection", "close"), ("connection", "upgrade")];
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
