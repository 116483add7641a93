//! Bytes that messages inflate to count toward byte rates, and a client that sends many of them is
//! closed. Compressed chats are not.

use std::sync::Arc;

use gabion_testkit::{RawWebSocket, Recorder, frame};
use tokio::io::AsyncWriteExt as _;

use crate::support::{
    deflate::Deflater,
    echo::{GuardedEcho, TRUSTING, echo_behind},
    guarded_proxy::builder,
};

const CLIENT: &str = "203.0.113.9";
const DEFLATE: &str = "sec-websocket-extensions: permessage-deflate\r\n";

async fn server(limits: &str, events: Arc<Recorder>) -> GuardedEcho {
    let policy = format!(
        "{TRUSTING}[upgrade]\ncompression = 'inflate'\nmax_message = '64KiB'\n{limits}\n\
         [[message]]\nid = 'word'\ncontains = 'attack'\n"
    );
    echo_behind(builder(events).with_policy(&policy, "policy").unwrap()).await
}

async fn open(server: &GuardedEcho) -> RawWebSocket {
    RawWebSocket::new(server.open_with("/granting", CLIENT, DEFLATE).await.0)
}

/// A frame that inflates to 64 KiB, and may be repeated.
fn bomb() -> Vec<u8> {
    let bomb = Deflater::new().message(&vec![b'0'; 64 << 10]);
    assert!(bomb.len() < 100, "{}", bomb.len());
    frame(RawWebSocket::COMPRESSED, &bomb)
}

#[tokio::test]
async fn small_frames_that_inflate_to_more_than_a_rate_close_their_socket() {
    for (limit, rule) in [
        ("client_bytes = '1MiB/s'", "rate/client-bytes"),
        ("bytes = '1MiB/s'", "rate/bytes"),
    ] {
        let events = Arc::new(Recorder::default());
        let server = server(limit, events.clone()).await;
        let mut socket = open(&server).await;
        let bomb = bomb();
        // 8 MiB, in 5 KiB. The socket may close before all is sent.
        let _ = socket.try_send(&bomb.repeat(128)).await;
        assert_eq!(
            socket.read_to_end().await.1,
            [(0x88, b"\x03\xf0".to_vec())],
            "{rule}"
        );
        let messages = server.received().len() / bomb.len();
        // The burst is 1 MiB; what the rate adds depends on the time.
        assert!((15..128).contains(&messages), "{messages} messages");
        let texts = events.take_texts();
        let expected = format!("closed with 1008: rule {rule} (in the frame at byte ");
        assert!(
            texts.len() == 1 && texts[0].contains(&expected),
            "{texts:?}"
        );
    }
}

#[tokio::test]
async fn sockets_of_a_client_share_the_rate() {
    let events = Arc::new(Recorder::default());
    let server = server("client_bytes = '256KiB/s'", events.clone()).await;
    let (mut first, mut second) = (open(&server).await, open(&server).await);
    let bomb = bomb();
    first.send(&bomb.repeat(3)).await;
    server.wait_for_received(3 * bomb.len()).await;
    let _ = second.try_send(&bomb.repeat(8)).await;
    let (_, received) = second.read_to_end().await;
    assert_eq!(received, [(0x88, b"\x03\xf0".to_vec())]);
    let texts = events.take_texts();
    assert!(
        texts.len() == 1 && texts[0].contains("session 1 on"),
        "{texts:?}"
    );
}

#[tokio::test]
async fn compressed_chat_stays_far_below_the_default_rate() {
    let events = Arc::new(Recorder::default());
    let server = server("", events.clone()).await;
    let (mut stream, _) = server.open_with("/granting", CLIENT, DEFLATE).await;
    let mut deflater = Deflater::new();
    // A minute of a busy client in one go, and a document of 60 KB after it.
    let mut chat: Vec<_> = (0..200)
        .map(|nth| {
            format!("{{\"room\":\"stones\",\"nth\":{nth},\"text\":\"basket after basket\"}}")
        })
        .collect();
    chat.push("a line of a document\n".repeat(3_000));
    let sent: Vec<_> = chat
        .iter()
        .flat_map(|text| frame(RawWebSocket::COMPRESSED, &deflater.message(text.as_bytes())))
        .collect();
    stream.write_all(&sent).await.unwrap();
    assert_eq!(server.wait_for_received(sent.len()).await, sent);
    assert_eq!(events.take_texts(), [""; 0]);
}
