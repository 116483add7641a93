//! Frames that come byte by byte for too long, and floods of control frames, end their sockets; who takes
//! his time within it, and pings as often as others do, stays.

use std::time::Duration;

use gabion::{Mode, inspect::ProtocolRules};
use gabion_core::SessionLimits;
use tokio::time::{Instant, sleep};

use crate::support::{
    frames::{ByHand, PING, TEXT, frame},
    house::House,
    session_limits::{Held, house},
};

const CLIENT: &str = "203.0.113.9";
const CLOSED: &[u8] = b"\x03\xf0";

async fn held() -> House<Held> {
    let session_limits = SessionLimits {
        message_time: Duration::from_millis(400),
        controls: Some(50),
        mode: Mode::Enforce,
        ..SessionLimits::default()
    };
    house(session_limits, ProtocolRules::default()).await
}

#[tokio::test]
async fn frame_that_comes_byte_by_byte_for_too_long() {
    let house = held().await;
    let mut slow = ByHand::new(house.open_raw("/open", CLIENT).await);
    let mut patient = ByHand::new(house.open_raw("/ws", CLIENT).await);
    let began = Instant::now();
    let dripping = async {
        // Each byte comes long before its time would be up, were it counted from the last.
        for byte in frame(TEXT, &[b'a'; 100]) {
            use tokio::io::AsyncWriteExt as _;
            if slow.stream.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
            if began.elapsed() > Duration::from_millis(900) {
                break;
            }
        }
        slow.stays_open().await.1
    };
    let within = async {
        for byte in frame(TEXT, b"hello") {
            patient.send(&[byte]).await;
            sleep(Duration::from_millis(10)).await;
        }
        patient.next().await
    };
    let (came, back) = tokio::join!(dripping, within);
    assert_eq!(came, [(0x88, CLOSED.to_vec())]);
    assert_eq!(back, Some((TEXT, b"hello".to_vec())));
    let told = house.told();
    assert!(
        told.len() == 1 && told[0].contains("rule message/too-slow"),
        "{told:?}"
    );
    assert!(house.heard().len() < 50);
}

#[tokio::test]
async fn thousand_pings_a_second() {
    let house = held().await;
    let mut calm = ByHand::new(house.open_raw("/ws", CLIENT).await);
    for _ in 0..10 {
        calm.send(&frame(PING, b"there?")).await;
        assert_eq!(calm.next().await, Some((0x8A, b"there?".to_vec())));
        sleep(Duration::from_millis(20)).await;
    }
    let mut flood = ByHand::new(house.open_raw("/open", CLIENT).await);
    flood.send(&frame(PING, b"!").repeat(1_000)).await;
    let (_, came) = flood.stays_open().await;
    assert_eq!(came, [(0x88, CLOSED.to_vec())]);
    assert_eq!(house.heard(), frame(PING, b"!").repeat(50));
    let told = house.told();
    assert!(
        told.len() == 1 && told[0].contains("rule rate/controls"),
        "{told:?}"
    );
}
