//! WebSockets over HTTP/1.1: the handshake on both sides, and the tunnel.

use gabion_testkit::{ProxyServer, RawConnection, RawServer};
use std::{pin::pin, time::Duration};

use tokio::time::timeout;

use crate::support::{logged, proxy_before};

/// A handshake with the key of RFC 6455, 1.3, and its response.
pub(crate) const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
pub(crate) const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Protocol: chat\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Opens a WebSocket; returns the client's and the server's end.
pub(crate) async fn open(
    backend: &RawServer,
    front: &ProxyServer,
) -> (RawConnection, RawConnection) {
    let mut client = front.connect().await;
    client.send(HANDSHAKE).await;
    let (upstream, head) = backend.answer(SWITCHING).await;
    for line in [
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-protocol: chat",
    ] {
        assert!(
            head.contains(&format!("\r\n{line}\r\n")),
            "no {line} in {head}"
        );
    }
    let head = client.head().await;
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    for line in [
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-protocol: chat",
        "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ] {
        assert!(
            head.contains(&format!("\r\n{line}\r\n")),
            "no {line} in {head}"
        );
    }
    assert!(!head.contains("close"), "{head}");
    (client, upstream)
}

#[tokio::test]
async fn bytes_pass_in_both_directions() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let (mut client, mut upstream) = open(&backend, &front).await;
    assert_eq!(front.tunnels().open(), 1);
    for round in ["one", "two"] {
        client.send(round).await;
        upstream.until(round).await;
        upstream.send(round).await;
        client.until(round).await;
    }
    let long = "x".repeat(1 << 20) + "end";
    let ((), seen) = tokio::join!(client.send(&long), upstream.until("end"));
    assert_eq!(seen.len(), long.len());
}

#[tokio::test]
async fn slow_reader_stalls_the_writer_and_gets_every_byte() {
    /// More than the socket buffers of the system hold.
    const LONG: usize = 64 << 20;
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let (mut client, mut upstream) = open(&backend, &front).await;
    let mut long = "x".repeat(LONG);
    long.push_str("end");
    {
        let mut sending = pin!(client.send(&long));
        let stalled = timeout(Duration::from_secs(1), sending.as_mut()).await;
        assert!(stalled.is_err(), "unread bytes are buffered");
        let ((), seen) = tokio::join!(sending, upstream.discard_until("end"));
        assert_eq!(seen, long.len());
    }
    upstream.send("and back").await;
    client.until("and back").await;
}

#[tokio::test]
async fn half_closed_socket_passes_the_other_direction() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let (mut client, mut upstream) = open(&backend, &front).await;
    client.send("bye").await;
    client.half_close().await;
    assert_eq!(upstream.end().await, "bye");
    upstream.send("bye too").await;
    client.until("bye too").await;
    drop(upstream);
    assert_eq!(client.end().await, "");
    while front.tunnels().open() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn invalid_101_response_is_502() {
    for (right, wrong) in [
        (
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
        ("Sec-WebSocket-Accept", "X-Nothing"),
        ("Upgrade: websocket", "Upgrade: tcp"),
        ("Upgrade: websocket\r\n", ""),
        ("Connection: Upgrade\r\n", ""),
        ("Connection: Upgrade", "Connection: close"),
        ("Protocol: chat", "Protocol: superchat"),
        ("Protocol: chat", "Protocol: chat, chat"),
        ("Protocol: chat", "Extensions: permessage-deflate"),
    ] {
        let backend = RawServer::bind().await;
        let front = proxy_before(&backend);
        let mut client = front.connect().await;
        client.send(HANDSHAKE).await;
        let (mut upstream, _) = backend.answer(&SWITCHING.replace(right, wrong)).await;
        let head = client.head().await;
        assert!(
            head.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
            "{wrong}: {head}"
        );
        assert_eq!(upstream.end().await, "");
        assert_eq!(front.tunnels().open(), 0);
    }
}

#[tokio::test]
async fn rejected_subprotocol_is_logged() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    // A later test may get the port of an earlier one.
    client.send(HANDSHAKE.replace("/ws", "/subprotocol")).await;
    backend
        .answer(&SWITCHING.replace("Protocol: chat", "Protocol: spy"))
        .await;
    client.head().await;
    let logged = logged("target=\"/subprotocol\"");
    assert_eq!(logged.lines().count(), 1, "{logged}");
    let reason = r#"error="the upstream selected the subprotocol \"spy\", which was not offered"#;
    assert!(
        logged.contains("WARN") && logged.contains(reason),
        "{logged}"
    );
}

#[tokio::test]
async fn offered_extension_may_be_accepted() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    client
        .send(&HANDSHAKE.replace("\r\n\r\n", &format!("\r\n{offer}")))
        .await;
    let grant = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12\r\n\r\n";
    backend
        .answer(&SWITCHING.replace("\r\n\r\n", &format!("\r\n{grant}")))
        .await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("client_max_window_bits=12"), "{head}");
}

#[tokio::test]
async fn rejection_is_forwarded_and_ends_the_connection() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send(HANDSHAKE).await;
    client
        .send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    let answer = "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\n\
                  Content-Length: 2\r\n\r\nno";
    let (_upstream, _) = backend.answer(answer).await;
    let head = client.head().await;
    assert!(
        head.starts_with("HTTP/1.1 426 Upgrade Required\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nsec-websocket-version: 8\r\n"), "{head}");
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert_eq!(client.end().await, "no");
}

#[tokio::test]
async fn incomplete_handshake_is_forwarded_as_plain_http() {
    for (whole, half) in [
        ("Connection: keep-alive, Upgrade\r\n", ""),
        ("Upgrade: WebSocket", "Upgrade: h2c"),
        ("GET /ws", "POST /ws"),
    ] {
        let backend = RawServer::bind().await;
        let front = proxy_before(&backend);
        let mut client = front.connect().await;
        client.send(&HANDSHAKE.replace(whole, half)).await;
        let (_, head) = backend.answer(SWITCHING).await;
        assert!(!head.contains("pgrade"), "{head}");
        assert!(
            client
                .head()
                .await
                .starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
            "{half}"
        );
    }
}

#[tokio::test]
async fn handshake_without_its_key_or_with_a_body_is_400() {
    for (right, wrong) in [
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ("Host: a\r\n", "Host: a\r\nContent-Length: 3\r\n"),
    ] {
        let backend = RawServer::bind().await;
        let front = proxy_before(&backend);
        let mut client = front.connect().await;
        client.send(&HANDSHAKE.replace(right, wrong)).await;
        assert!(
            client
                .head()
                .await
                .starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{wrong}"
        );
    }
}
