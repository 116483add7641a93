//! A hop that cuts silent sockets is found out by its own time; clients that leave when they like are not
//! taken for one.

use std::time::Duration;

use gabion::{Mode, inspect::ProtocolRules};
use gabion_core::SessionLimits;
use tokio::{io::AsyncWriteExt as _, time::sleep};

use crate::support::{
    frames::{ByHand, TEXT, frame},
    hop::Hop,
    house::House,
    session_limits::{Held, house},
};

const CLIENT: &str = "203.0.113.9";
const PATIENCE: Duration = Duration::from_secs(1);

async fn held(ping: Option<Duration>) -> House<Held> {
    let session_limits = SessionLimits {
        ping,
        mode: Mode::Enforce,
        ..SessionLimits::default()
    };
    house(session_limits, ProtocolRules::default()).await
}

/// Has sockets cut by a hop, one after the other begun.
async fn cut(house: House<Held>, sockets: u32) -> House<Held> {
    let hop = Hop::before(house.addr(), PATIENCE).await;
    let house = house.through(&hop);
    let lives = (0..sockets).map(async |nth| {
        sleep(Duration::from_millis(400) * nth).await;
        let mut socket = ByHand::new(house.open_raw("/open", CLIENT).await);
        socket.send(&frame(TEXT, b"hello")).await;
        socket.stays_open().await
    });
    futures_util::future::join_all(lives).await;
    house.empties().await;
    house
}

#[tokio::test]
async fn three_cuts_after_a_second_are_told_as_such() {
    let house = cut(held(None).await, 2).await;
    assert_eq!(house.told(), [""; 0], "two are not enough");
    let house = cut(held(None).await, 5).await;
    let told = house.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let words = "D01: a proxy or load balancer in front closes idle WebSockets (127.0.0.1, /open): 3 of the last 4 \
                 WebSockets from this peer ended without a close frame after 1.";
    assert!(told[0].starts_with(words), "{told:?}");
    assert!(told[0].contains(" s without traffic"), "{told:?}");
}

#[tokio::test]
async fn pings_that_come_too_late_are_told_beside() {
    let house = cut(held(Some(PATIENCE * 2)).await, 3).await;
    let told = house.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("D01"), "{told:?}");
    assert!(
        told[1].starts_with(
            "D03: the ping interval is too long to keep the WebSocket open (127.0.0.1"
        ),
        "{told:?}"
    );
    assert!(
        told[1].contains("): [upgrade] ping is 2s, and the WebSocket was cut after 1."),
        "{told:?}"
    );
}

#[tokio::test]
async fn clients_that_leave_when_they_like_are_no_hop() {
    let house = held(None).await;
    for after in [600, 1_400, 900, 2_000, 1_100, 650, 1_700] {
        let stream = house.open_raw("/open", CLIENT).await;
        sleep(Duration::from_millis(after)).await;
        drop(stream);
        house.empties().await;
    }
    // Nor are those that say goodbye, at whatever time.
    for _ in 0..4 {
        let mut stream = house.open_raw("/open", CLIENT).await;
        sleep(PATIENCE).await;
        stream.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
        drop(stream);
        house.empties().await;
    }
    assert_eq!(house.told(), [""; 0]);
}

#[tokio::test]
async fn code_that_one_side_closes_with_is_told_unless_it_is_usual() {
    let house = held(None).await;
    for (code, diagnosis) in [
        (b"\x03\xe8", ""),
        (b"\x03\xe9", ""),
        (
            b"\x03\xf1",
            "D06: a message exceeded the size limit (203.0.113.9, /open): the client closed with 1009",
        ),
        (
            b"\x03\xf3",
            "D05: one side closed the WebSocket (203.0.113.9, /open): the client closed with 1011",
        ),
        (
            b"\x0f\xa0",
            "D05: one side closed the WebSocket (203.0.113.9, /open): the client closed with 4000",
        ),
    ] {
        let mut stream = house.open_raw("/open", CLIENT).await;
        stream.write_all(&frame(0x88, code)).await.unwrap();
        drop(stream);
        house.empties().await;
        let told = house.told().concat();
        assert!(
            told.starts_with(diagnosis) && told.is_empty() == diagnosis.is_empty(),
            "{told}"
        );
    }
}

#[tokio::test]
async fn drain_and_a_limit_on_messages_are_diagnosed() {
    let session_limits = SessionLimits {
        max_message: 4,
        mode: Mode::Enforce,
        ..SessionLimits::default()
    };
    let house = house(session_limits, ProtocolRules::default()).await;
    let mut large = ByHand::new(house.open_raw("/open", CLIENT).await);
    large.send(&frame(TEXT, b"hello")).await;
    large.stays_open().await;
    let mut drained = ByHand::new(house.open_raw("/open", CLIENT).await);
    house.before().enforcer.sessions().drain(Duration::ZERO);
    drained.stays_open().await;
    let told = house.told();
    let made: Vec<_> = told.iter().filter(|said| said.starts_with('D')).collect();
    assert_eq!(made.len(), 2, "{told:?}");
    assert!(
        made[0].starts_with("D06: a message exceeded the size limit"),
        "{told:?}"
    );
    assert!(made[0].contains("): rule frame/too-big; "), "{told:?}");
    assert!(made[1].starts_with("D08: the server restarts"), "{told:?}");
}
