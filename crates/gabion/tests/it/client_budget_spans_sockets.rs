//! A client's budget is one over all its sockets on a route, and another's is its own.

use gabion::{Mode, inspect::ProtocolRules};
use gabion_core::SessionLimits;
use tokio::time::{Duration, sleep};

use crate::support::{
    frames::{BEGIN, ByHand, END, TEXT, frame},
    house::House,
    session_limits::{Held, house},
};

const ONE: &str = "203.0.113.9";
const OTHER: &str = "198.51.100.7";
const CLOSED: (u8, &[u8]) = (0x88, b"\x03\xf0");

async fn open(house: &House<Held>, client: &str) -> ByHand {
    ByHand::new(house.open_raw("/ws", client).await)
}

/// Sends a text; whether it comes back.
async fn echoes(socket: &mut ByHand, text: &[u8]) -> bool {
    socket.send(&frame(TEXT, text)).await;
    let back = socket.next().await.expect("an echo or a close");
    assert!(back.1 == text || (back.0, &*back.1) == CLOSED, "{back:?}");
    back.0 == TEXT
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
    let house = house(messages(Mode::Enforce), ProtocolRules::default()).await;
    let mut sockets = [
        open(&house, ONE).await,
        open(&house, ONE).await,
        open(&house, ONE).await,
    ];
    for socket in &mut sockets {
        assert!(echoes(socket, b"one").await && echoes(socket, b"two").await);
    }
    assert!(!echoes(&mut sockets[1], b"the seventh").await);
    assert_eq!(
        house.told(),
        [
            "203.0.113.9 session 1 on /ws closed with 1008: rule rate/client-messages (in the frame at \
          byte 18)"
        ]
    );
    let mut other = open(&house, OTHER).await;
    assert!(echoes(&mut other, b"another client").await);
    // It comes back in time, to the sockets that are left.
    sleep(Duration::from_millis(400)).await;
    assert!(echoes(&mut sockets[0], b"later").await);
    let mut later = open(&house, ONE).await;
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
    let house = house(session_limits, ProtocolRules::default()).await;
    let (mut first, mut second) = (open(&house, ONE).await, open(&house, ONE).await);
    for first_byte in [BEGIN, 0, 0, END] {
        first.send(&frame(first_byte, &[b'a'; 200])).await;
    }
    assert_eq!(first.next().await, Some((TEXT, vec![b'a'; 800])));
    assert!(!echoes(&mut second, &[b'b'; 600]).await);
    assert!(house.told()[0].contains("rule rate/client-bytes"));
    assert!(echoes(&mut first, &[b'c'; 10]).await);
}

#[tokio::test]
async fn budget_that_only_observes_is_told_once_for_each_socket() {
    let house = house(messages(Mode::Observe), ProtocolRules::default()).await;
    let (mut first, mut second) = (open(&house, ONE).await, open(&house, ONE).await);
    for _ in 0..10 {
        assert!(echoes(&mut first, b"now").await && echoes(&mut second, b"now").await);
    }
    let told = house.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter()
            .all(|said| said.contains("would have been closed with 1008: rule rate/client-"))
    );
}
