//! The idle timeout of a proxy in front is detected from the sockets that it closes. Clients that
//! leave at arbitrary times are not taken for one.

use gabion_testkit::{EchoServer, IdleTimeoutRelay, RawWebSocket, frame};
use std::time::Duration;

use gabion::{
    Mode,
    inspect::{Clock as _, Messages, SystemClock},
};
use gabion_core::SessionLimits;
use tokio::{io::AsyncWriteExt as _, time::sleep};

use crate::support::echo::{SessionParts, echo_with_limits};

const CLIENT: &str = "203.0.113.9";
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

async fn server_with(ping: Option<Duration>) -> EchoServer<SessionParts> {
    let session_limits = SessionLimits {
        ping,
        mode: Mode::Enforce,
        ..SessionLimits::default()
    };
    echo_with_limits(session_limits, Messages::default()).await
}

/// Opens sockets through a relay with an idle timeout, one after another, until all are closed.
async fn cut(server: EchoServer<SessionParts>, sockets: u32) -> EchoServer<SessionParts> {
    let relay = IdleTimeoutRelay::start(server.addr(), IDLE_TIMEOUT).await;
    let server = server.through(&relay);
    let lives = (0..sockets).map(async |nth| {
        sleep(Duration::from_millis(400) * nth).await;
        let mut socket = RawWebSocket::new(server.open_raw("/open", CLIENT).await);
        socket.send(&frame(RawWebSocket::TEXT, b"hello")).await;
        socket.read_to_end().await
    });
    futures_util::future::join_all(lives).await;
    server.guard().wait_until_closed().await;
    server
}

#[tokio::test]
async fn three_cuts_after_the_same_idle_time_are_reported() {
    let server = cut(server_with(None).await, 2).await;
    assert_eq!(server.guard().event_texts(), [""; 0], "two are not enough");
    let server = cut(server_with(None).await, 5).await;
    let texts = server.guard().event_texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    let words = "D01: a proxy or load balancer in front closes idle WebSockets (127.0.0.1, \"/open\"): 3 of the last 3 \
                 WebSockets without a close frame ended after 1.";
    assert!(texts[0].starts_with(words), "{texts:?}");
    assert!(texts[0].contains(" s without traffic"), "{texts:?}");
}

#[tokio::test]
async fn ping_interval_above_the_idle_timeout_is_reported() {
    let server = cut(server_with(Some(IDLE_TIMEOUT * 2)).await, 3).await;
    let texts = server.guard().event_texts();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with("D01"), "{texts:?}");
    assert!(
        texts[1].starts_with(
            "D03: the ping interval is too long to keep the WebSocket open (127.0.0.1"
        ),
        "{texts:?}"
    );
    assert!(
        texts[1].contains("): [upgrade] ping is 2s, and the WebSocket was cut after 1."),
        "{texts:?}"
    );
}

#[tokio::test]
async fn clients_that_drop_sockets_after_a_fixed_short_time_are_not_reported() {
    // With pings more rare than that, so that an idle timeout would also be D03.
    let server = server_with(Some(IDLE_TIMEOUT * 2)).await;
    let lives = (0..8).map(async |nth| {
        sleep(Duration::from_millis(300) * nth).await;
        let stream = server.open_raw("/open", CLIENT).await;
        sleep(Duration::from_millis(600)).await;
        drop(stream);
    });
    futures_util::future::join_all(lives).await;
    server.guard().wait_until_closed().await;
    assert_eq!(server.guard().event_texts(), [""; 0]);
}

#[tokio::test]
async fn clients_that_leave_at_arbitrary_times_are_not_reported() {
    let server = server_with(None).await;
    for after in [600, 1_400, 900, 2_000, 1_100, 650, 1_700] {
        let stream = server.open_raw("/open", CLIENT).await;
        sleep(Duration::from_millis(after)).await;
        drop(stream);
        server.guard().wait_until_closed().await;
    }
    // Clients that send a close frame are not counted, at any interval.
    for _ in 0..4 {
        let mut stream = server.open_raw("/open", CLIENT).await;
        sleep(IDLE_TIMEOUT).await;
        stream.write_all(&frame(0x88, b"\x03\xe8")).await.unwrap();
        drop(stream);
        server.guard().wait_until_closed().await;
    }
    assert_eq!(server.guard().event_texts(), [""; 0]);
}

#[tokio::test]
async fn unusual_close_codes_are_reported() {
    let server = server_with(None).await;
    for (code, diagnosis) in [
        (b"\x03\xe8", ""),
        (b"\x03\xe9", ""),
        (
            b"\x03\xf1",
            "D06: a message exceeded the size limit (203.0.113.9, \"/open\"): the client closed with 1009",
        ),
        (
            b"\x03\xf3",
            "D05: one side closed the WebSocket (203.0.113.9, \"/open\"): the client closed with 1011",
        ),
        (
            b"\x0f\xa0",
            "D05: one side closed the WebSocket (203.0.113.9, \"/open\"): the client closed with 4000",
        ),
    ] {
        let mut stream = server.open_raw("/open", CLIENT).await;
        stream.write_all(&frame(0x88, code)).await.unwrap();
        drop(stream);
        server.guard().wait_until_closed().await;
        let texts = server.guard().event_texts().concat();
        assert!(
            texts.starts_with(diagnosis) && texts.is_empty() == diagnosis.is_empty(),
            "{texts}"
        );
    }
}

#[tokio::test]
async fn drain_and_message_limit_are_diagnosed() {
    let session_limits = SessionLimits {
        max_message: 4,
        mode: Mode::Enforce,
        ..SessionLimits::default()
    };
    let server = echo_with_limits(session_limits, Messages::default()).await;
    let mut large = RawWebSocket::new(server.open_raw("/open", CLIENT).await);
    large.send(&frame(RawWebSocket::TEXT, b"hello")).await;
    large.read_to_end().await;
    let mut drained = RawWebSocket::new(server.open_raw("/open", CLIENT).await);
    server
        .guard()
        .sessions
        .drain(SystemClock::new().now(), Duration::ZERO);
    drained.read_to_end().await;
    let texts = server.guard().event_texts();
    let made: Vec<_> = texts.iter().filter(|text| text.starts_with('D')).collect();
    assert_eq!(made.len(), 2, "{texts:?}");
    assert!(
        made[0].starts_with("D06: a message exceeded the size limit"),
        "{texts:?}"
    );
    assert!(made[0].contains("): rule frame/too-big; "), "{texts:?}");
    assert!(made[1].starts_with("D08: the server restarts"), "{texts:?}");
}
