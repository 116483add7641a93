//! A client has one message budget for all its sockets on a route, separate from other clients.

use gabion::{Mode, inspect::Messages};
use gabion_core::SessionLimits;
use gabion_testkit::{EchoServer, RawWebSocket, frame};
use tokio::time::{Duration, sleep};

use crate::support::echo::{SessionParts, echo_with_limits};

const ONE: &str = "203.0.113.9";
const OTHER: &str = "198.51.100.7";
const CLOSED: (u8, &[u8]) = (0x88, b"\x03\xf0");

async fn open(server: &EchoServer<SessionParts>, client: &str) -> RawWebSocket {
    RawWebSocket::new(server.open_raw("/ws", client).await)
}

/// Sends a text, and returns `true` if it is echoed.
async fn echoes(socket: &mut RawWebSocket, text: &[u8]) -> bool {
    socket.send(&frame(RawWebSocket::TEXT, text)).await;
    let back = socket.next().await.expect("an echo or a close");
    assert!(back.1 == text || (back.0, &*back.1) == CLOSED, "{back:?}");
    back.0 == RawWebSocket::TEXT
}

fn messages(mode: Mode) -> SessionLimits {
    SessionLimits {
        client_messages: Some(6),
        mode,
        ..SessionLimits::default()
    }
}

#[tokio::test]
async fn messages_of_all_sockets_count() {
    let server = echo_with_limits(messages(Mode::Enforce), Messages::default()).await;
    let mut sockets = [
        open(&server, ONE).await,
        open(&server, ONE).await,
        open(&server, ONE).await,
    ];
    for socket in &mut sockets {
        assert!(echoes(socket, b"one").await && echoes(socket, b"two").await);
    }
    assert!(!echoes(&mut sockets[1], b"the seventh").await);
    assert_eq!(
        server.guard().event_texts(),
        [
            "203.0.113.9 session 1 on \"/ws\" closed with 1008: rule rate/client-messages (in the frame at \
          byte 18)"
        ]
    );
    let mut other = open(&server, OTHER).await;
    assert!(echoes(&mut other, b"another client").await);
    // The budget refills, for the remaining sockets.
    sleep(Duration::from_millis(400)).await;
    assert!(echoes(&mut sockets[0], b"later").await);
    let mut later = open(&server, ONE).await;
    assert!(echoes(&mut later, b"later").await);
}

#[tokio::test]
async fn bytes_of_all_sockets_count_and_fragments_are_one_message() {
    let session_limits = SessionLimits {
        client_messages: Some(3),
        client_bytes: Some(1_000),
        mode: Mode::Enforce,
        ..SessionLimits::default()
    };
    let server = echo_with_limits(session_limits, Messages::default()).await;
    let (mut first, mut second) = (open(&server, ONE).await, open(&server, ONE).await);
    for first_byte in [RawWebSocket::FIRST, 0, 0, RawWebSocket::LAST] {
        first.send(&frame(first_byte, &[b'a'; 200])).await;
    }
    assert_eq!(
        first.next().await,
        Some((RawWebSocket::TEXT, vec![b'a'; 800]))
    );
    assert!(!echoes(&mut second, &[b'b'; 600]).await);
    assert!(server.guard().event_texts()[0].contains("rule rate/client-bytes"));
    assert!(echoes(&mut first, &[b'c'; 10]).await);
}

#[tokio::test]
async fn budget_in_observe_mode_is_reported_once_per_socket() {
    let server = echo_with_limits(messages(Mode::Observe), Messages::default()).await;
    let (mut first, mut second) = (open(&server, ONE).await, open(&server, ONE).await);
    for _ in 0..10 {
        assert!(echoes(&mut first, b"now").await && echoes(&mut second, b"now").await);
    }
    let texts = server.guard().event_texts();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts
            .iter()
            .all(|text| text.contains("would have been closed with 1008: rule rate/client-"))
    );
}
