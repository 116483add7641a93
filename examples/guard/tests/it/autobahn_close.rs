//! Invalid close frames, from section 7 of the Autobahn suite, under a policy that does not enforce
//! message limits.

use gabion_testkit::TempFolder;
use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::Guard;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Sends a close frame with this payload, masked with zeros, and returns the reply of the server.
async fn reply_to(guard: &Guard, payload: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(guard.addr()).await.unwrap();
    socket.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let length = u8::try_from(payload.len()).unwrap();
    let frame = [&[0x88, 0x80 | length, 0, 0, 0, 0], payload].concat();
    socket.write_all(&frame).await.unwrap();
    let mut reply = Vec::new();
    let read = timeout(Duration::from_secs(5), socket.read_to_end(&mut reply)).await;
    assert!(read.is_ok(), "no end after {}", payload.escape_ascii());
    reply
}

#[tokio::test]
async fn invalid_close_frame_reaches_the_server_unchanged() {
    let folder = TempFolder::new("close-frames");
    // The policy of the demo has limits for its WebSocket, and so enforces valid close frames.
    let policy = folder.replace("policy.toml", "version = 1\n");
    let guard = Guard::start(&["--policy", &policy]).await;
    let protocol_error = 1002u16.to_be_bytes();
    for payload in [
        &999u16.to_be_bytes()[..],
        &1005u16.to_be_bytes(),
        b"\x03\xe8\xff\xfe",
        b"x",
    ] {
        let reply = reply_to(&guard, payload).await;
        // The server closes the connection, with or without a code.
        assert!(
            reply.is_empty() || reply[0] == 0x88,
            "{}",
            reply.escape_ascii()
        );
        if payload.len() == 2 {
            assert_eq!(
                reply.get(2..4),
                Some(&protocol_error[..]),
                "{}",
                reply.escape_ascii()
            );
        }
    }
    let valid = reply_to(&guard, &1000u16.to_be_bytes()).await;
    assert_eq!(valid, [0x88, 2, 0x03, 0xe8]);
}
