//! Compression hides nothing: where messages are read it is declined, or what is compressed is inflated.

use std::time::Duration;

use gabion::{
    Inspect, Mode, RequestState, Verdict,
    inspect::{MessageDenial, MessageDenials, MessageFacts, RuleId},
};
use gabion_core::{Facts, MessageKinds, SessionLimits};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    frames::{COMPRESSED, Deflater, TEXT, frame},
    session_limits::house,
};

const CLIENT: &str = "203.0.113.9";
const DEFLATE: &str = "sec-websocket-extensions: x-other; permessage-deflate=1, \
                       permessage-deflate; client_max_window_bits\r\n";

/// Objects to a message that is nothing but the word.
struct NoWord;

impl Inspect for NoWord {
    fn name(&self) -> &'static str {
        "no-word"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn message(&self, message: &MessageFacts<'_>, message_denials: &mut MessageDenials) {
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

/// What a client gets until its socket ends.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    let _ = read.expect("it ends");
    rest
}

/// What of an offer has reached the service.
fn offered(head: &str) -> Vec<&str> {
    let lines = head.lines();
    lines
        .filter_map(|line| line.strip_prefix("x-offered: "))
        .collect()
}

#[tokio::test]
async fn offer_is_taken_off_where_messages_are_read_and_not_inflated() {
    let house = house(reading(false), NoWord).await;
    let (stream, head) = house.open_with("/granting", CLIENT, DEFLATE).await;
    assert_eq!(offered(&head), [""; 0]);
    // The service grants what was not offered to it, so that nobody could read what comes.
    assert_eq!(rest(stream).await, b"\x88\x02\x03\xf3");
    assert_eq!(
        house.told(),
        [
            "203.0.113.9 session 0 on /granting closed with 1011: messages cannot be inspected: the \
          service accepted a WebSocket extension that was removed from the handshake"
        ]
    );
    let (mut stream, head) = house.open_with("/open", CLIENT, DEFLATE).await;
    assert!(!head.contains("permessage"), "{head}");
    stream.write_all(&frame(COMPRESSED, b"?")).await.unwrap();
    assert_eq!(rest(stream).await, b"\x88\x02\x03\xea");
    assert_eq!(house.heard(), b"");
}

#[tokio::test]
async fn offer_stays_where_nothing_is_read() {
    let session_limits = SessionLimits {
        message_kinds: MessageKinds::None,
        ..reading(false)
    };
    let house = house(session_limits, NoWord).await;
    let (mut stream, head) = house.open_with("/granting", CLIENT, DEFLATE).await;
    assert_eq!(
        offered(&head),
        ["x-other; permessage-deflate=1, permessage-deflate; client_max_window_bits"]
    );
    let compressed = frame(COMPRESSED, &Deflater::new().message(b"hello"));
    stream.write_all(&compressed).await.unwrap();
    assert_eq!(house.hears(compressed.len()).await, compressed);
}

#[tokio::test]
async fn word_that_stands_in_an_earlier_message_is_read() {
    let house = house(reading(true), NoWord).await;
    let (mut stream, head) = house.open_with("/granting", CLIENT, DEFLATE).await;
    assert_eq!(
        offered(&head),
        ["permessage-deflate; client_max_window_bits"]
    );

    let mut deflater = Deflater::new();
    let story = b"and he said: attack at dawn, all of you! And they did.";
    let honest = [
        frame(COMPRESSED, &deflater.message(story)),
        frame(TEXT, b"not compressed"),
        frame(
            COMPRESSED,
            &deflater.message(b"and he said: attack at dawn"),
        ),
    ]
    .concat();
    stream.write_all(&honest).await.unwrap();
    assert_eq!(house.hears(honest.len()).await, honest);

    let word = deflater.message(b"attack at dawn, all of you");
    assert!(word.len() < 10, "it is a reference to what was sent before");
    stream.write_all(&frame(COMPRESSED, &word)).await.unwrap();
    assert_eq!(rest(stream).await, b"\x88\x02\x03\xf0");
    house.empties().await;
    assert_eq!(house.heard(), honest);
    let told = house.told();
    assert!(
        told.len() == 1 && told[0].contains("rule no-word"),
        "{told:?}"
    );
}

#[tokio::test]
async fn message_that_inflates_too_far_ends_before_it_is_whole() {
    let house = house(reading(true), NoWord).await;
    for (text, code) in [
        (vec![b'a'; 60 << 10], None),
        (vec![b'a'; (64 << 10) + 1], Some(1009_u16)),
        (vec![b'a'; 10 << 20], Some(1009)),
    ] {
        let (mut stream, _) = house.open_with("/granting", CLIENT, DEFLATE).await;
        let bomb = frame(COMPRESSED, &Deflater::new().message(&text));
        let before = house.heard().len();
        stream.write_all(&bomb).await.unwrap();
        match code {
            None => drop(house.hears(before + bomb.len()).await),
            Some(code) => {
                let close = rest(stream).await;
                assert_eq!(close, [&[0x88, 2], &code.to_be_bytes()[..]].concat());
                assert_eq!(house.heard().len(), before);
            }
        }
    }
}
