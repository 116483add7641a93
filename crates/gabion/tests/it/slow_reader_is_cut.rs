//! A client that reads nothing while its service sends is cut. One that reads slowly, or has
//! nothing to read, is not.

use gabion_testkit::EchoServer;
use std::time::Duration;

use gabion::{Mode, inspect::Messages};
use gabion_core::SessionLimits;
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, sleep},
};

use crate::support::echo::{SessionParts, echo_with_limits};

const CLIENT: &str = "203.0.113.9";
const STALL: Duration = Duration::from_millis(400);

async fn server_with(mode: Mode) -> EchoServer<SessionParts> {
    let session_limits = SessionLimits {
        write_stall: Some(STALL),
        mode,
        ..SessionLimits::default()
    };
    echo_with_limits(session_limits, Messages::default()).await
}

#[tokio::test]
async fn client_that_reads_nothing_is_cut() {
    let server = server_with(Mode::Enforce).await;
    let began = Instant::now();
    let stream = server.open_raw("/pouring", CLIENT).await;
    let idle = server.open_raw("/open", CLIENT).await;
    let sessions = &server.guard().sessions;
    while sessions.len() > 1 {
        sleep(Duration::from_millis(5)).await;
        assert!(began.elapsed() < Duration::from_secs(15), "it is not cut");
    }
    let took = began.elapsed();
    assert!(took >= STALL, "{took:?}");
    assert_eq!(
        server.guard().event_texts(),
        [
            "203.0.113.9 session 0 on \"/pouring\" cut: the client does not read what the server \
          sends"
        ]
    );
    sleep(STALL * 2).await;
    assert_eq!(
        sessions.len(),
        1,
        "a client without data to read is not slow"
    );
    drop((stream, idle));
}

#[tokio::test]
async fn client_that_reads_slowly_stays() {
    let server = server_with(Mode::Enforce).await;
    let mut stream = server.open_raw("/pouring", CLIENT).await;
    // The kernel reports room once a third of its buffer for the service is free.
    let mut some = vec![0; 1 << 20];
    for _ in 0..12 {
        sleep(STALL / 4).await;
        stream.read_exact(&mut some).await.unwrap();
    }
    assert_eq!(server.guard().event_texts(), [""; 0]);
}

#[tokio::test]
async fn slow_client_is_only_reported_in_observe_mode() {
    let server = server_with(Mode::Observe).await;
    let mut stream = server.open_raw("/pouring", CLIENT).await;
    sleep(STALL * 2).await;
    let texts = server.guard().event_texts();
    assert!(
        !texts.is_empty() && texts[0].contains("would have been cut"),
        "{texts:?}"
    );
    let mut some = vec![0; 16 << 20];
    stream.read_exact(&mut some).await.unwrap();
    assert_eq!(server.guard().sessions.len(), 1);
}
