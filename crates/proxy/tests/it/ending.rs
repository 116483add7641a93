//! Diagnoses of WebSockets that do not stay open.

use std::{sync::Arc, time::Duration};

use gabion_core::Diagnosis;
use gabion_proxy::ProxyOptions;
use gabion_sinks::Tracing;
use gabion_testkit::{ProxyServer, RawConnection, RawServer, Recorder};
use tokio::time::{advance, pause, resume, sleep};

use crate::{
    diagnosis::{diagnosed, recording},
    support::{Setup, logged},
    websocket,
};

const SHORT: Duration = Duration::from_millis(200);
const MINUTE: Duration = Duration::from_mins(1);

const HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";
const BYE: &[u8] = b"\x88\x80\0\0\0\0";

fn without_pings() -> ProxyOptions {
    ProxyOptions::default().with_ping(None)
}

/// Advances the clock by `time`.
async fn pass(time: Duration) {
    // Bytes in flight arrive first.
    sleep(SHORT / 4).await;
    pause();
    advance(time).await;
    resume();
    sleep(SHORT / 4).await;
}

/// Opens a socket that the upstream drops after this idle time.
async fn cut_after(idle: Duration, backend: &RawServer, front: &ProxyServer) {
    let (mut client, upstream) = websocket::open(backend, front).await;
    pass(idle).await;
    drop(upstream);
    assert_eq!(client.end().await, "");
}

async fn assert_no_diagnosis(recorder: &Recorder) {
    sleep(SHORT / 2).await;
    assert_eq!(diagnosed(recorder), []);
}

#[tokio::test]
async fn idle_timeout_is_diagnosed_after_three_cuts() {
    let (recorder, setup) = recording(without_pings());
    let backend = RawServer::bind().await;
    // Two workers share what they detect.
    let worker = || Setup {
        proxy: setup.proxy.clone(),
        ..Setup::default()
    };
    let [first, second] = [worker(), worker()].map(|setup| setup.before(&backend.url()));
    cut_after(MINUTE, &backend, &first).await;
    cut_after(MINUTE, &backend, &second).await;
    assert_no_diagnosis(&recorder).await;
    cut_after(MINUTE, &backend, &first).await;
    let diagnoses = diagnosed(&recorder);
    let [(Diagnosis::CutBehind, seen)] = &diagnoses[..] else {
        panic!("{diagnoses:?}")
    };
    let words = "3 of the last 3 WebSockets without a close frame ended after 60.";
    assert!(
        seen.starts_with(words) && seen.contains("nginx (proxy_read_timeout)"),
        "{seen}"
    );
    cut_after(MINUTE, &backend, &second).await;
    assert_no_diagnosis(&recorder).await;
}

#[tokio::test]
async fn other_ends_are_not_diagnosed_as_idle_timeouts() {
    let (recorder, setup) = recording(without_pings());
    let backend = RawServer::bind().await;
    let front = setup.before(&backend.url());
    for secs in [20, 40, 90, 130] {
        cut_after(Duration::from_secs(secs), &backend, &front).await;
    }
    // The client left first.
    for _ in 0..3 {
        let (client, mut upstream) = websocket::open(&backend, &front).await;
        pass(MINUTE * 5).await;
        drop(client);
        upstream.end().await;
    }
    // The client sent a close frame first.
    for _ in 0..3 {
        let (mut client, mut upstream) = websocket::open(&backend, &front).await;
        pass(MINUTE * 5).await;
        client.send(BYE).await;
        upstream.bytes::<6>().await;
        drop(upstream);
        client.end().await;
    }
    assert_no_diagnosis(&recorder).await;
}

#[tokio::test]
async fn unanswered_pings_are_diagnosed() {
    let (recorder, setup) = recording(ProxyOptions::default().with_ping(Some(SHORT)));
    let backend = RawServer::bind().await;
    let front = setup.before(&backend.url());
    let (mut client, _upstream) = websocket::open(&backend, &front).await;
    client.bytes::<4>().await;
    let seen = "the upstream answered neither of two pings".to_owned();
    assert_eq!(diagnosed(&recorder), [(Diagnosis::NoPong, seen)]);
}

#[tokio::test]
async fn close_by_the_upstream_is_diagnosed_with_its_status() {
    let (recorder, setup) = recording(without_pings());
    let backend = RawServer::bind().await;
    let front = setup.before(&backend.url());
    for (code, words) in [
        (&b"\x88\x02\x03\xe8"[..], "1000: normal closure"),
        (b"\x88\x02\x03\xf0", "1008: policy violation"),
        (b"\x88\x02\x03\xf1", "1009: a message was too big"),
        (
            b"\x88\x02\x03\xf4",
            "1012: the server restarts: reconnect after a random delay",
        ),
        (b"\x88\x00", "1005: closed without a code"),
    ] {
        let (mut client, mut upstream) = websocket::open(&backend, &front).await;
        upstream.send(code).await;
        drop(upstream);
        client.end().await;
        let seen = format!("the upstream closed with {words}");
        assert_eq!(diagnosed(&recorder), [(Diagnosis::Closed, seen)]);
    }
    // A reply to the client's close frame is not diagnosed.
    let (mut client, mut upstream) = websocket::open(&backend, &front).await;
    client.send(BYE).await;
    upstream.bytes::<6>().await;
    upstream.send(b"\x88\x00").await;
    drop(upstream);
    client.end().await;
    // A reply to the client's end is not diagnosed either.
    let (mut client, mut upstream) = websocket::open(&backend, &front).await;
    client.half_close().await;
    upstream.end().await;
    upstream.send(b"\x88\x00").await;
    client.bytes::<2>().await;
    assert_no_diagnosis(&recorder).await;
}

#[tokio::test]
async fn rejection_is_logged_as_a_warning_and_a_close_is_not() {
    let setup = Setup {
        proxy: without_pings().with_sink(Arc::new(Tracing::default())),
        ..Setup::default()
    };
    let backend = RawServer::bind().await;
    let front = setup.before(&backend.url());
    let (mut client, mut upstream) = websocket::open(&backend, &front).await;
    upstream.send(b"\x88\x02\x03\xf0").await;
    drop(upstream);
    client.end().await;
    let mut refused = front.connect().await;
    refused.send(websocket::HANDSHAKE).await;
    backend
        .answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        .await;
    refused.end().await;
    assert_eq!(logged("D05: "), "");
    let refusal = logged("W07: ");
    assert!(
        refusal.contains("WARN") && refusal.contains("the upstream answered 404"),
        "{refusal}"
    );
}

/// Opens a socket and ends one side; returns the open end and the ended one.
async fn half_open(
    backend: &RawServer,
    front: &ProxyServer,
    by_client: bool,
) -> (RawConnection, RawConnection) {
    let (mut client, mut upstream) = websocket::open(backend, front).await;
    if by_client {
        client.half_close().await;
        upstream.end().await;
        (upstream, client)
    } else {
        upstream.half_close().await;
        client.end().await;
        (client, upstream)
    }
}

#[tokio::test]
async fn half_open_socket_is_diagnosed_once_after_an_idle_minute() {
    for (by_client, words) in [
        (
            true,
            "the client ended its side, and the upstream has sent nothing for 60 s",
        ),
        (
            false,
            "the upstream ended its side, and the client has sent nothing for 60 s",
        ),
    ] {
        let (recorder, setup) = recording(ProxyOptions::default());
        let backend = RawServer::bind().await;
        let front = setup.before(&backend.url());
        let (mut left, mut ended) = half_open(&backend, &front, by_client).await;
        pass(MINUTE / 2).await;
        left.send("still here").await;
        ended.until("still here").await;
        pass(MINUTE * 3 / 4).await;
        assert_no_diagnosis(&recorder).await;
        pass(MINUTE / 2).await;
        assert_eq!(
            diagnosed(&recorder),
            [(Diagnosis::HalfOpen, words.to_owned())]
        );
        pass(MINUTE * 5).await;
        assert_no_diagnosis(&recorder).await;
        left.send("and here").await;
        ended.until("and here").await;
    }
}

#[tokio::test]
async fn idle_socket_stays_open() {
    let (recorder, setup) = recording(without_pings());
    let backend = RawServer::bind().await;
    let front = setup.before(&backend.url());
    let (mut client, mut upstream) = websocket::open(&backend, &front).await;
    pass(MINUTE * 60).await;
    assert_no_diagnosis(&recorder).await;
    client.send("still here").await;
    upstream.until("still here").await;
}

#[tokio::test]
async fn missing_first_message_is_diagnosed() {
    let (recorder, setup) = recording(without_pings());
    let backend = RawServer::bind().await;
    let front = setup.before(&backend.url());
    for has_answered in [false, true] {
        let (mut client, mut upstream) = websocket::open(&backend, &front).await;
        pass(MINUTE / 2).await;
        client.send(HELLO).await;
        upstream.bytes::<11>().await;
        if has_answered {
            upstream.send(b"\x81\x02hi").await;
            client.bytes::<4>().await;
        }
        pass(MINUTE / 2).await;
        drop(upstream);
        client.end().await;
        let diagnoses = diagnosed(&recorder);
        if has_answered {
            assert_eq!(diagnoses, []);
        } else {
            let [(Diagnosis::NoFirstMessage, seen)] = &diagnoses[..] else {
                panic!("{diagnoses:?}")
            };
            assert!(seen.ends_with("s without sending a message"), "{seen}");
        }
    }
}
