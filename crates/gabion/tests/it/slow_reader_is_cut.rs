//! A client that takes nothing of what its service has for it is cut; one that takes little by little, or
//! has nothing to take, is not.

use std::time::Duration;

use gabion::{Mode, inspect::ProtocolRules};
use gabion_core::SessionLimits;
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, sleep},
};

use crate::support::{
    house::House,
    session_limits::{Held, house},
};

const CLIENT: &str = "203.0.113.9";
const STALL: Duration = Duration::from_millis(400);

async fn held(mode: Mode) -> House<Held> {
    let session_limits = SessionLimits {
        write_stall: Some(STALL),
        mode,
        ..SessionLimits::default()
    };
    house(session_limits, ProtocolRules::default()).await
}

#[tokio::test]
async fn client_that_takes_nothing_is_cut() {
    let house = held(Mode::Enforce).await;
    let began = Instant::now();
    let stream = house.open_raw("/pouring", CLIENT).await;
    let idle = house.open_raw("/open", CLIENT).await;
    let sessions = house.before().enforcer.sessions();
    while sessions.len() > 1 {
        sleep(Duration::from_millis(5)).await;
        assert!(began.elapsed() < Duration::from_secs(15), "it is not cut");
    }
    let took = began.elapsed();
    assert!(took >= STALL, "{took:?}");
    assert_eq!(
        house.told(),
        [
            "203.0.113.9 session 0 on /pouring cut: the client does not read what the server \
          sends"
        ]
    );
    sleep(STALL * 2).await;
    assert_eq!(sessions.len(), 1, "who has nothing to take is not slow");
    drop((stream, idle));
}

#[tokio::test]
async fn client_that_takes_little_by_little_stays() {
    let house = held(Mode::Enforce).await;
    let mut stream = house.open_raw("/pouring", CLIENT).await;
    // The system tells of room once a third of what it keeps for the service has gone.
    let mut some = vec![0; 1 << 20];
    for _ in 0..12 {
        sleep(STALL / 4).await;
        stream.read_exact(&mut some).await.unwrap();
    }
    assert_eq!(house.told(), [""; 0]);
}

#[tokio::test]
async fn slow_client_is_only_told_where_the_terms_observe() {
    let house = held(Mode::Observe).await;
    let mut stream = house.open_raw("/pouring", CLIENT).await;
    sleep(STALL * 2).await;
    let told = house.told();
    assert!(
        !told.is_empty() && told[0].contains("would have been cut"),
        "{told:?}"
    );
    let mut some = vec![0; 16 << 20];
    stream.read_exact(&mut some).await.unwrap();
    assert_eq!(house.before().enforcer.sessions().len(), 1);
}
