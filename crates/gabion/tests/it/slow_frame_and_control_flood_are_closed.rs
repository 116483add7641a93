//! A frame that arrives byte by byte for too long, and a flood of control frames, end their socket.
//! A slow client within the limit, and one with a usual number of pings, stays.

use gabion_testkit::{EchoServer, RawWebSocket, frame};
use std::time::Duration;

use gabion::{Mode, inspect::Messages};
use gabion_core::SessionLimits;
use tokio::time::{Instant, sleep};

use crate::support::echo::{SessionParts, echo_with_limits};

const CLIENT: &str = "203.0.113.9";
const CLOSED: &[u8] = b"\x03\xf0";

async fn server_with_limits() -> EchoServer<SessionParts> {
    let session_limits = SessionLimits {
        message_time: Duration::from_millis(400),
        controls: Some(50),
        mode: Mode::Enforce,
        ..SessionLimits::default()
    };
    echo_with_limits(session_limits, Messages::default()).await
}

#[tokio::test]
async fn slow_frame_is_closed() {
    let server = server_with_limits().await;
    let mut slow = RawWebSocket::new(server.open_raw("/open", CLIENT).await);
    let mut patient = RawWebSocket::new(server.open_raw("/ws", CLIENT).await);
    let began = Instant::now();
    let dripping = async {
        // Each byte arrives long before a time limit that restarted with each byte.
        for byte in frame(RawWebSocket::TEXT, &[b'a'; 100]) {
            if slow.try_send(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
            if began.elapsed() > Duration::from_millis(900) {
                break;
            }
        }
        slow.read_to_end().await.1
    };
    let within = async {
        for byte in frame(RawWebSocket::TEXT, b"hello") {
            patient.send(&[byte]).await;
            sleep(Duration::from_millis(10)).await;
        }
        patient.next().await
    };
    let (came, back) = tokio::join!(dripping, within);
    assert_eq!(came, [(0x88, CLOSED.to_vec())]);
    assert_eq!(back, Some((RawWebSocket::TEXT, b"hello".to_vec())));
    let texts = server.guard().event_texts();
    assert!(
        texts.len() == 1 && texts[0].contains("rule message/too-slow"),
        "{texts:?}"
    );
    assert!(server.received().len() < 50);
}

#[tokio::test]
async fn thousand_pings_per_second_are_closed() {
    let server = server_with_limits().await;
    let mut calm = RawWebSocket::new(server.open_raw("/ws", CLIENT).await);
    for _ in 0..10 {
        calm.send(&frame(RawWebSocket::PING, b"there?")).await;
        assert_eq!(calm.next().await, Some((0x8A, b"there?".to_vec())));
        sleep(Duration::from_millis(20)).await;
    }
    let mut flood = RawWebSocket::new(server.open_raw("/open", CLIENT).await);
    flood
        .send(&frame(RawWebSocket::PING, b"!").repeat(1_000))
        .await;
    let (_, came) = flood.read_to_end().await;
    assert_eq!(came, [(0x88, CLOSED.to_vec())]);
    assert_eq!(
        server.received(),
        frame(RawWebSocket::PING, b"!").repeat(50)
    );
    let texts = server.guard().event_texts();
    assert!(
        texts.len() == 1 && texts[0].contains("rule rate/controls"),
        "{texts:?}"
    );
}
