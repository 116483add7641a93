//! Compression hides no message from the rules: it is declined, or compressed messages are
//! inflated.

use gabion_testkit::{RawWebSocket, frame};
use std::time::Duration;

use gabion::{
    Mode,
    inspect::{MessageDenial, MessageDenials, MessageFacts, RuleId},
};
use gabion_core::{InspectMessage, MessageKinds, SessionLimits};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{deflate::Deflater, echo::echo_with_limits};

const CLIENT: &str = "203.0.113.9";
const DEFLATE: &str = "sec-websocket-extensions: x-other; permessage-deflate=1, \
                       permessage-deflate; client_max_window_bits\r\n";

/// Denies a message that consists of the word.
struct NoWord;

impl InspectMessage for NoWord {
    fn message_kinds(&self) -> MessageKinds {
        MessageKinds::Text
    }

    fn inspect_message(&self, message: &MessageFacts<'_>, message_denials: &mut MessageDenials) {
        if message.payload == b"attack at dawn, all of you" {
            message_denials.add(MessageDenial::new(
                RuleId::builtin("no-word"),
                "it is the word",
            ));
        }
    }
}

fn reading(inflates: bool) -> SessionLimits {
    SessionLimits {
        message_kinds: MessageKinds::Text,
        holds: true,
        inflates,
        max_message: 64 << 10,
        mode: Mode::Enforce,
        ..SessionLimits::default()
    }
}

/// The bytes that a client receives until its socket ends.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    let _ = read.expect("it ends");
    rest
}

/// The extension offers that reached the service.
fn offered(head: &str) -> Vec<&str> {
    let lines = head.lines();
    lines
        .filter_map(|line| line.strip_prefix("x-offered: "))
        .collect()
}

#[tokio::test]
async fn offer_is_removed_if_messages_are_read_and_not_inflated() {
    let server = echo_with_limits(reading(false), NoWord).await;
    let (stream, head) = server.open_with("/granting", CLIENT, DEFLATE).await;
    assert_eq!(offered(&head), [""; 0]);
    // The service accepts an extension that was not offered to it; its messages could not be read.
    assert_eq!(rest(stream).await, b"\x88\x02\x03\xf3");
    assert_eq!(
        server.guard().event_texts(),
        [
            "203.0.113.9 session 0 on \"/granting\" closed with 1011: messages cannot be inspected: the \
          service accepted a WebSocket extension that was removed from the handshake"
        ]
    );
    let (mut stream, head) = server.open_with("/open", CLIENT, DEFLATE).await;
    assert!(!head.contains("permessage"), "{head}");
    stream
        .write_all(&frame(RawWebSocket::COMPRESSED, b"?"))
        .await
        .unwrap();
    assert_eq!(rest(stream).await, b"\x88\x02\x03\xea");
    assert_eq!(server.received(), b"");
}

#[tokio::test]
async fn offer_stays_if_messages_are_not_read() {
    let session_limits = SessionLimits {
        message_kinds: MessageKinds::None,
        ..reading(false)
    };
    let server = echo_with_limits(session_limits, NoWord).await;
    let (mut stream, head) = server.open_with("/granting", CLIENT, DEFLATE).await;
    assert_eq!(
        offered(&head),
        ["x-other; permessage-deflate=1, permessage-deflate; client_max_window_bits"]
    );
    let compressed = frame(RawWebSocket::COMPRESSED, &Deflater::new().message(b"hello"));
    stream.write_all(&compressed).await.unwrap();
    assert_eq!(server.wait_for_received(compressed.len()).await, compressed);
}

#[tokio::test]
async fn word_from_an_earlier_message_is_found() {
    let server = echo_with_limits(reading(true), NoWord).await;
    let (mut stream, head) = server.open_with("/granting", CLIENT, DEFLATE).await;
    assert_eq!(
        offered(&head),
        ["permessage-deflate; client_max_window_bits"]
    );

    let mut deflater = Deflater::new();
    let story = b"and he said: attack at dawn, all of you! And they did.";
    let honest = [
        frame(RawWebSocket::COMPRESSED, &deflater.message(story)),
        frame(RawWebSocket::TEXT, b"not compressed"),
        frame(
            RawWebSocket::COMPRESSED,
            &deflater.message(b"and he said: attack at dawn"),
        ),
    ]
    .concat();
    stream.write_all(&honest).await.unwrap();
    assert_eq!(server.wait_for_received(honest.len()).await, honest);

    let word = deflater.message(b"attack at dawn, all of you");
    assert!(word.len() < 10, "it is a reference to what was sent before");
    stream
        .write_all(&frame(RawWebSocket::COMPRESSED, &word))
        .await
        .unwrap();
    assert_eq!(rest(stream).await, b"\x88\x02\x03\xf0");
    server.guard().wait_until_closed().await;
    assert_eq!(server.received(), honest);
    let texts = server.guard().event_texts();
    assert!(
        texts.len() == 1 && texts[0].contains("rule no-word"),
        "{texts:?}"
    );
}

#[tokio::test]
async fn message_that_inflates_beyond_the_limit_ends_the_socket() {
    let server = echo_with_limits(reading(true), NoWord).await;
    for (text, code) in [
        (vec![b'a'; 60 << 10], None),
        (vec![b'a'; (64 << 10) + 1], Some(1009_u16)),
        (vec![b'a'; 10 << 20], Some(1009)),
    ] {
        let (mut stream, _) = server.open_with("/granting", CLIENT, DEFLATE).await;
        let bomb = frame(RawWebSocket::COMPRESSED, &Deflater::new().message(&text));
        let before = server.received().len();
        stream.write_all(&bomb).await.unwrap();
        match code {
            None => drop(server.wait_for_received(before + bomb.len()).await),
            Some(code) => {
                let close = rest(stream).await;
                assert_eq!(close, [&[0x88, 2], &code.to_be_bytes()[..]].concat());
                assert_eq!(server.received().len(), before);
            }
        }
    }
}
