//! The session of a client that answers no pings ends. A client that answers, sends messages, or
//! waits for its service stays.

use gabion_testkit::{EchoServer, RawWebSocket, frame};
use std::time::Duration;

use gabion::{Mode, inspect::Messages};
use gabion_core::SessionLimits;
use tokio::time::{Instant, sleep, timeout};

use crate::support::echo::{SessionParts, echo_with_limits};

const CLIENT: &str = "203.0.113.9";
const PING_AFTER: Duration = Duration::from_millis(100);

async fn pinging(mode: Mode) -> EchoServer<SessionParts> {
    let session_limits = SessionLimits {
        ping: Some(PING_AFTER),
        mode,
        ..SessionLimits::default()
    };
    echo_with_limits(session_limits, Messages::default()).await
}

async fn open(server: &EchoServer<SessionParts>, path: &str) -> RawWebSocket {
    RawWebSocket::new(server.open_raw(path, CLIENT).await)
}

#[tokio::test]
async fn client_that_answers_no_pings_is_cut() {
    let server = pinging(Mode::Enforce).await;
    let mut dead = open(&server, "/ws").await;
    let mut alive = open(&server, "/ws").await;
    let ((time, came), (others, _)) =
        tokio::join!(dead.read_to_end(), alive.answer_pings(PING_AFTER * 8));
    assert!(time >= PING_AFTER * 3 && time < PING_AFTER * 6, "{time:?}");
    let pings: Vec<_> = came.iter().map(|(first, _)| *first).collect();
    assert_eq!(
        pings,
        [RawWebSocket::PING, RawWebSocket::PING],
        "without a close frame, which the client would not read"
    );
    assert_eq!(others, [], "a client that answers stays");
    assert_eq!(server.guard().sessions.len(), 1);
    let texts = server.guard().event_texts();
    let [cut, diagnosis] = &*texts else {
        panic!("{texts:?}")
    };
    assert_eq!(
        cut,
        "203.0.113.9 session 0 on \"/ws\" cut: the client does not answer pings"
    );
    assert!(
        diagnosis.starts_with(
            "D04: the peer does not answer pings (203.0.113.9, \"/ws\"): no byte received after 2 pings"
        ),
        "{diagnosis}"
    );
}

#[tokio::test]
async fn client_that_sends_messages_and_answers_no_pings_stays() {
    let server = pinging(Mode::Enforce).await;
    let mut socket = open(&server, "/open").await;
    for _ in 0..6 {
        sleep(PING_AFTER * 3 / 2).await;
        socket.send(&frame(RawWebSocket::TEXT, b"hello")).await;
    }
    assert_eq!(server.guard().event_texts(), [""; 0]);
    // No client answers in the middle of a long message.
    socket.send(&frame(0x01, &[b'a'; 100])[..50]).await;
    sleep(PING_AFTER * 2).await;
    socket.send(&[0]).await;
    sleep(PING_AFTER * 2).await;
    socket.send(&[0]).await;
    sleep(PING_AFTER).await;
    assert_eq!(server.guard().event_texts(), [""; 0]);
}

#[tokio::test]
async fn service_that_does_not_read_does_not_end_its_clients() {
    let server = pinging(Mode::Enforce).await;
    let mut socket = open(&server, "/talking").await;
    socket.send(&frame(RawWebSocket::TEXT, b"hello")).await;
    let until = Instant::now() + PING_AFTER * 8;
    while Instant::now() < until {
        let came = timeout(Duration::from_secs(1), socket.next()).await;
        assert_eq!(came.unwrap().unwrap().0, RawWebSocket::TEXT);
    }
    assert_eq!(server.guard().event_texts(), [""; 0]);
}

#[tokio::test]
async fn dead_client_is_only_reported_in_observe_mode() {
    let server = pinging(Mode::Observe).await;
    let mut socket = open(&server, "/open").await;
    sleep(PING_AFTER * 5).await;
    let hello = frame(RawWebSocket::TEXT, b"hello");
    socket.send(&hello).await;
    assert_eq!(server.wait_for_received(hello.len()).await, hello);
    let texts = server.guard().event_texts();
    let words =
        "203.0.113.9 session 0 on \"/open\" would have been cut: the client does not answer pings";
    assert!(texts.iter().any(|text| text == words), "{texts:?}");
}
