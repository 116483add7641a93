//! A client that answers no pings is gone, and its session ends; one that answers, speaks or only has to
//! wait for its service is not.

use std::time::Duration;

use gabion::{Mode, inspect::ProtocolRules};
use gabion_core::SessionLimits;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    frames::{ByHand, PING, TEXT, frame},
    house::House,
    session_limits::{Held, house},
};

const CLIENT: &str = "203.0.113.9";
const PING_AFTER: Duration = Duration::from_millis(100);

async fn pinging(mode: Mode) -> House<Held> {
    let session_limits = SessionLimits {
        ping: Some(PING_AFTER),
        mode,
        ..SessionLimits::default()
    };
    house(session_limits, ProtocolRules::default()).await
}

async fn open(house: &House<Held>, path: &str) -> ByHand {
    ByHand::new(house.open_raw(path, CLIENT).await)
}

#[tokio::test]
async fn client_that_answers_no_pings_is_cut() {
    let house = pinging(Mode::Enforce).await;
    let mut dead = open(&house, "/ws").await;
    let mut alive = open(&house, "/ws").await;
    let ((time, came), (others, _)) =
        tokio::join!(dead.stays_open(), alive.answers(PING_AFTER * 8));
    assert!(time >= PING_AFTER * 3 && time < PING_AFTER * 6, "{time:?}");
    let pings: Vec<_> = came.iter().map(|(first, _)| *first).collect();
    assert_eq!(pings, [PING, PING], "and no close, which nobody would read");
    assert_eq!(others, [], "who answers stays");
    assert_eq!(house.before().enforcer.sessions().len(), 1);
    let told = house.told();
    let [cut, diagnosis] = &*told else {
        panic!("{told:?}")
    };
    assert_eq!(
        cut,
        "203.0.113.9 session 0 on /ws cut: the client does not answer pings"
    );
    assert!(
        diagnosis.starts_with(
            "D04: the peer does not answer pings (203.0.113.9, /ws): no byte received after 2 pings"
        ),
        "{diagnosis}"
    );
}

#[tokio::test]
async fn client_that_speaks_and_answers_no_pings_stays() {
    let house = pinging(Mode::Enforce).await;
    let mut socket = open(&house, "/open").await;
    for _ in 0..6 {
        sleep(PING_AFTER * 3 / 2).await;
        socket.send(&frame(TEXT, b"hello")).await;
    }
    assert_eq!(house.told(), [""; 0]);
    // Amid a long message nobody answers.
    socket.send(&frame(0x01, &[b'a'; 100])[..50]).await;
    sleep(PING_AFTER * 2).await;
    socket.send(&[0]).await;
    sleep(PING_AFTER * 2).await;
    socket.send(&[0]).await;
    sleep(PING_AFTER).await;
    assert_eq!(house.told(), [""; 0]);
}

#[tokio::test]
async fn service_that_does_not_listen_makes_nobody_dead() {
    let house = pinging(Mode::Enforce).await;
    let mut socket = open(&house, "/talking").await;
    socket.send(&frame(TEXT, b"hello")).await;
    let until = Instant::now() + PING_AFTER * 8;
    while Instant::now() < until {
        let came = timeout(Duration::from_secs(1), socket.next()).await;
        assert_eq!(came.unwrap().unwrap().0, TEXT);
    }
    assert_eq!(house.told(), [""; 0]);
}

#[tokio::test]
async fn dead_client_is_only_told_where_the_terms_observe() {
    let house = pinging(Mode::Observe).await;
    let mut socket = open(&house, "/open").await;
    sleep(PING_AFTER * 5).await;
    let hello = frame(TEXT, b"hello");
    socket.send(&hello).await;
    assert_eq!(house.hears(hello.len()).await, hello);
    let told = house.told();
    let words =
        "203.0.113.9 session 0 on /open would have been cut: the client does not answer pings";
    assert!(told.iter().any(|said| said == words), "{told:?}");
}
