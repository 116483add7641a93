//! Why a WebSocket does not stay open, said to who listens.

use std::{sync::Arc, time::Duration};

use gabion_core::Diagnosis;
use gabion_proxy::ProxyOptions;
use gabion_sinks::Tracing;
use gabion_testkit::Recorder;
use tokio::time::{advance, pause, resume, sleep};

use crate::{
    diagnosis::{diagnosed, told},
    support::{Backend, Front, Setup, Wire, logged},
    websocket,
};

const SHORT: Duration = Duration::from_millis(200);
const MINUTE: Duration = Duration::from_mins(1);

const HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";
const BYE: &[u8] = b"\x88\x80\0\0\0\0";

fn unpinged() -> ProxyOptions {
    ProxyOptions::default().with_ping(None)
}

/// Lets so much time pass at once.
async fn pass(time: Duration) {
    // What is under way arrives first.
    sleep(SHORT / 4).await;
    pause();
    advance(time).await;
    resume();
    sleep(SHORT / 4).await;
}

/// Opens a socket, and has the upstream drop it after this silence.
async fn cut_after(silence: Duration, backend: &Backend, front: &Front) {
    let (mut client, upstream) = websocket::open(backend, front).await;
    pass(silence).await;
    drop(upstream);
    assert_eq!(client.end().await, "");
}

async fn nothing_told(recorder: &Recorder) {
    sleep(SHORT / 2).await;
    assert_eq!(diagnosed(recorder), []);
}

#[tokio::test]
async fn timer_behind_is_named_once_it_has_cut_three_sockets() {
    let (recorder, setup) = told(unpinged());
    let backend = Backend::bind().await;
    // Two workers, which learn together.
    let worker = || Setup {
        proxy: setup.proxy.clone(),
        ..Setup::default()
    };
    let [first, second] = [worker(), worker()].map(|setup| setup.before(&backend.url()));
    cut_after(MINUTE, &backend, &first).await;
    cut_after(MINUTE, &backend, &second).await;
    nothing_told(&recorder).await;
    cut_after(MINUTE, &backend, &first).await;
    let told = diagnosed(&recorder);
    let [(Diagnosis::CutBehind, seen)] = &told[..] else {
        panic!("{told:?}")
    };
    let words = "3 sockets ended without a close after 60.";
    assert!(
        seen.starts_with(words) && seen.contains("nginx (proxy_read_timeout)"),
        "{seen}"
    );
    cut_after(MINUTE, &backend, &second).await;
    nothing_told(&recorder).await;
}

#[tokio::test]
async fn ends_that_no_timer_made_name_none() {
    let (recorder, setup) = told(unpinged());
    let backend = Backend::bind().await;
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
    // The client said that it would.
    for _ in 0..3 {
        let (mut client, mut upstream) = websocket::open(&backend, &front).await;
        pass(MINUTE * 5).await;
        client.send_bytes(BYE).await;
        upstream.bytes::<6>().await;
        drop(upstream);
        client.end().await;
    }
    nothing_told(&recorder).await;
}

#[tokio::test]
async fn upstream_that_answers_no_pings_is_told() {
    let (recorder, setup) = told(ProxyOptions::default().with_ping(Some(SHORT)));
    let backend = Backend::bind().await;
    let front = setup.before(&backend.url());
    let (mut client, _upstream) = websocket::open(&backend, &front).await;
    client.bytes::<4>().await;
    let seen = "the server behind answered neither of two pings".to_owned();
    assert_eq!(diagnosed(&recorder), [(Diagnosis::NoPong, seen)]);
}

#[tokio::test]
async fn close_of_the_upstream_is_told_in_words() {
    let (recorder, setup) = told(unpinged());
    let backend = Backend::bind().await;
    let front = setup.before(&backend.url());
    for (code, words) in [
        (&b"\x88\x02\x03\xe8"[..], "1000: done"),
        (b"\x88\x02\x03\xf0", "1008: refused by a policy"),
        (b"\x88\x02\x03\xf1", "1009: a message was too big"),
        (
            b"\x88\x02\x03\xf4",
            "1012: the server restarts: connect again after a random pause",
        ),
        (b"\x88\x00", "1005: closed without a code"),
    ] {
        let (mut client, mut upstream) = websocket::open(&backend, &front).await;
        upstream.send_bytes(code).await;
        drop(upstream);
        client.end().await;
        let seen = format!("the server behind said {words}");
        assert_eq!(diagnosed(&recorder), [(Diagnosis::Closed, seen)]);
    }
    // An answer to the client's own close is none.
    let (mut client, mut upstream) = websocket::open(&backend, &front).await;
    client.send_bytes(BYE).await;
    upstream.bytes::<6>().await;
    upstream.send_bytes(b"\x88\x00").await;
    drop(upstream);
    client.end().await;
    // Nor is one to its end.
    let (mut client, mut upstream) = websocket::open(&backend, &front).await;
    client.half_close().await;
    upstream.end().await;
    upstream.send_bytes(b"\x88\x00").await;
    client.bytes::<2>().await;
    nothing_told(&recorder).await;
}

#[tokio::test]
async fn close_that_was_said_is_no_warning_in_the_log_and_a_refusal_is() {
    let setup = Setup {
        proxy: unpinged().with_sink(Arc::new(Tracing)),
        ..Setup::default()
    };
    let backend = Backend::bind().await;
    let front = setup.before(&backend.url());
    let (mut client, mut upstream) = websocket::open(&backend, &front).await;
    upstream.send_bytes(b"\x88\x02\x03\xf0").await;
    drop(upstream);
    client.end().await;
    let mut refused = front.connect().await;
    refused.send(websocket::ASK).await;
    backend
        .answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        .await;
    refused.end().await;
    assert_eq!(logged("D05: "), "");
    let refusal = logged("W07: ");
    assert!(
        refusal.contains("WARN") && refusal.contains("it answered 404"),
        "{refusal}"
    );
}

/// A socket of which one side has ended: the wire that is left.
async fn half_open(backend: &Backend, front: &Front, by_client: bool) -> (Wire, Wire) {
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
async fn half_open_socket_is_told_once_after_a_minute_of_silence() {
    for (by_client, words) in [
        (
            true,
            "the client has ended, and for a minute nothing comes from the server behind",
        ),
        (
            false,
            "the server behind has ended, and for a minute nothing comes from the client",
        ),
    ] {
        let (recorder, setup) = told(ProxyOptions::default());
        let backend = Backend::bind().await;
        let front = setup.before(&backend.url());
        let (mut left, mut ended) = half_open(&backend, &front, by_client).await;
        pass(MINUTE / 2).await;
        left.send("still here").await;
        ended.until("still here").await;
        pass(MINUTE * 3 / 4).await;
        nothing_told(&recorder).await;
        pass(MINUTE / 2).await;
        assert_eq!(
            diagnosed(&recorder),
            [(Diagnosis::HalfOpen, words.to_owned())]
        );
        pass(MINUTE * 5).await;
        nothing_told(&recorder).await;
        left.send("and here").await;
        ended.until("and here").await;
    }
}

#[tokio::test]
async fn open_socket_may_be_silent() {
    let (recorder, setup) = told(unpinged());
    let backend = Backend::bind().await;
    let front = setup.before(&backend.url());
    let (mut client, mut upstream) = websocket::open(&backend, &front).await;
    pass(MINUTE * 60).await;
    nothing_told(&recorder).await;
    client.send("still here").await;
    upstream.until("still here").await;
}

#[tokio::test]
async fn wait_for_a_first_message_is_named() {
    let (recorder, setup) = told(unpinged());
    let backend = Backend::bind().await;
    let front = setup.before(&backend.url());
    for has_answered in [false, true] {
        let (mut client, mut upstream) = websocket::open(&backend, &front).await;
        pass(MINUTE / 2).await;
        client.send_bytes(HELLO).await;
        upstream.bytes::<11>().await;
        if has_answered {
            upstream.send_bytes(b"\x81\x02hi").await;
            client.bytes::<4>().await;
        }
        pass(MINUTE / 2).await;
        drop(upstream);
        client.end().await;
        let told = diagnosed(&recorder);
        if has_answered {
            assert_eq!(told, []);
        } else {
            let [(Diagnosis::NoFirstMessage, seen)] = &told[..] else {
                panic!("{told:?}")
            };
            assert!(seen.ends_with("s and had sent no message"), "{seen}");
        }
    }
}
