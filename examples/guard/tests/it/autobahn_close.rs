//! What the Autobahn suite's section 7 found: close frames that break a rule, where the guard only
//! observes.

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

/// What the server answers to a close frame of that payload, masked with zeros.
async fn answer_to(guard: &Guard, payload: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(guard.addr()).await.unwrap();
    socket.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let length = u8::try_from(payload.len()).unwrap();
    let frame = [&[0x88, 0x80 | length, 0, 0, 0, 0], payload].concat();
    socket.write_all(&frame).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "no end after {}", payload.escape_ascii());
    answer
}

#[tokio::test]
async fn observed_close_frame_reaches_the_server_whole() {
    let guard = Guard::start(&[]).await;
    let protocol_error = 1002u16.to_be_bytes();
    for payload in [
        &999u16.to_be_bytes()[..],
        &1005u16.to_be_bytes(),
        b"\x03\xe8\xff\xfe",
        b"x",
    ] {
        let answer = answer_to(&guard, payload).await;
        // The server ends by itself, with or without a code.
        assert!(
            answer.is_empty() || answer[0] == 0x88,
            "{}",
            answer.escape_ascii()
        );
        if payload.len() == 2 {
            assert_eq!(
                answer.get(2..4),
                Some(&protocol_error[..]),
                "{}",
                answer.escape_ascii()
            );
        }
    }
    let honest = answer_to(&guard, &1000u16.to_be_bytes()).await;
    assert_eq!(honest, [0x88, 2, 0x03, 0xe8]);
}
