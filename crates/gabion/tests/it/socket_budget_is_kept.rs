//! The limits of `[upgrade]` on the number of sockets, their origins, and their messages.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use gabion::event::Event;
use gabion_testkit::{Recorder, WebSocket};
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::tungstenite::{Bytes, Message, protocol::frame::coding::CloseCode};

use crate::support::{
    echo::{GuardedEcho, TRUSTING, echo_behind},
    guarded_proxy::{builder, rule_of},
};

const ONE: &str = "203.0.113.9";
const OTHER: &str = "198.51.100.7";

async fn server(session_limits: &str) -> (GuardedEcho, Arc<Recorder>) {
    server_with_policy(&format!("{TRUSTING}[upgrade]\n{session_limits}\n")).await
}

async fn server_with_policy(policy: &str) -> (GuardedEcho, Arc<Recorder>) {
    let events = Arc::new(Recorder::default());
    let guard = builder(events.clone())
        .with_policy(policy, "policy")
        .unwrap();
    (echo_behind(guard).await, events)
}

async fn next(socket: &mut WebSocket) -> Message {
    let next = timeout(Duration::from_secs(5), socket.next()).await;
    next.expect("an answer in 5 s").unwrap().unwrap()
}

async fn echoes(socket: &mut WebSocket, message: Message) {
    socket.send(message.clone()).await.unwrap();
    assert_eq!(next(socket).await, message);
}

async fn code(socket: &mut WebSocket) -> CloseCode {
    loop {
        if let Message::Close(close) = next(socket).await {
            return close.expect("a code").code;
        }
    }
}

/// The text of the session events so far.
fn session_events(events: &Recorder) -> Vec<String> {
    let all = events.take().into_iter();
    let sessions = all.filter(|event| matches!(event, Event::Session(_)));
    sessions.map(|event| event.to_string()).collect()
}

/// Waits until this number of sockets is open.
async fn wait_for_open(server: &GuardedEcho, taken: usize) {
    let wait = async {
        while server.guard().sessions().len() != taken {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let found = || server.guard().sessions().len();
    assert!(
        timeout(Duration::from_secs(5), wait).await.is_ok(),
        "{}",
        found()
    );
}

#[tokio::test]
async fn sockets_are_limited_per_client() {
    let (server, events) = server("sockets_per_client = 3").await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(server.open("/ws", ONE).await.unwrap());
    }
    let fourth = server.open("/ws", ONE).await;
    assert_eq!(fourth.err(), Some(StatusCode::TOO_MANY_REQUESTS));
    let refused = events.take();
    let rules: Vec<_> = refused.iter().filter_map(rule_of).collect();
    assert_eq!(rules, ["upgrade/sockets-per-client"]);
    let mut others = server.open("/ws", OTHER).await.unwrap();
    echoes(&mut others, Message::text("another client")).await;

    drop(open.pop());
    wait_for_open(&server, 3).await;
    let mut again = server.open("/ws", ONE).await.unwrap();
    echoes(&mut again, Message::text("in the free place")).await;
}

#[tokio::test]
async fn sockets_are_limited_in_total() {
    let (server, _) = server("sockets = 2").await;
    let _open = (
        server.open("/ws", ONE).await.unwrap(),
        server.open("/ws", OTHER).await.unwrap(),
    );
    let third = server.open("/ws", "192.0.2.1").await;
    assert_eq!(third.err(), Some(StatusCode::SERVICE_UNAVAILABLE));
}

#[tokio::test]
async fn allowed_and_observed_clients_open_more() {
    let (inside, _) = server_with_policy("version = 1\n[upgrade]\nsockets_per_client = 1").await;
    let _open = join_all((0..3).map(|_| inside.open("/ws", ONE))).await;
    wait_for_open(&inside, 3).await;

    let observing = TRUSTING.replace("[client]", "mode = 'observe'\n[client]");
    let policy = format!("{observing}[upgrade]\nsockets_per_client = 1\nmax_message = '4B'");
    let (observed, events) = server_with_policy(&policy).await;
    let _first = observed.open("/ws", ONE).await.unwrap();
    let mut second = observed.open("/ws", ONE).await.unwrap();
    assert_eq!(events.take().iter().filter_map(rule_of).count(), 1);
    echoes(&mut second, Message::text("larger than four")).await;
    echoes(&mut second, Message::text("and again")).await;
    let text = "203.0.113.9 session 1 on \"/ws\" would have been closed with 1009: rule frame/too-big (in the \
                frame at byte 0)";
    assert_eq!(session_events(&events), [text]);
}

#[tokio::test]
async fn refused_handshake_frees_its_place() {
    let (server, _) = server("sockets_per_client = 1").await;
    for _ in 0..3 {
        let nowhere = server.open("/no/socket/here", ONE).await;
        assert_eq!(nowhere.err(), Some(StatusCode::NOT_FOUND));
        let refused = server.open("/refusing", ONE).await;
        assert_eq!(refused.err(), Some(StatusCode::FORBIDDEN));
    }
    server.open("/ws", ONE).await.unwrap();
}

#[tokio::test]
async fn message_above_the_size_limit_closes() {
    let (server, events) = server("max_message = '1KiB'").await;
    let mut socket = server.open("/ws", ONE).await.unwrap();
    for len in [0, 1, 125, 126, 1024] {
        echoes(&mut socket, Message::binary(vec![7; len])).await;
    }
    socket
        .send(Message::Ping(Bytes::from_static(b"hello")))
        .await
        .unwrap();
    assert_eq!(
        next(&mut socket).await,
        Message::Pong(Bytes::from_static(b"hello"))
    );
    let mut other = server.open("/ws", ONE).await.unwrap();

    socket.send(Message::binary(vec![7; 1025])).await.unwrap();
    assert_eq!(code(&mut socket).await, CloseCode::Size);
    let text = session_events(&events);
    assert_eq!(text.len(), 1);
    assert!(
        text[0].contains("closed with 1009: rule frame/too-big"),
        "{text:?}"
    );
    echoes(&mut other, Message::text("the other goes on")).await;
}

#[tokio::test]
async fn service_receives_everything_before_the_violation_and_nothing_of_it() {
    let (server, events) = server("max_message = '4B'").await;
    let mut stream = server.open_raw("/half-closed", ONE).await;
    // The service closed its sending direction, so a close frame cannot follow: the stream only
    // ends.
    let mut text = Vec::new();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut text))
        .await
        .expect("the service's end of its half comes through")
        .unwrap();
    assert_eq!(text, b"");
    let four = b"\x81\x84\0\0\0\0four";
    stream.write_all(four).await.unwrap();
    stream
        .write_all(b"\x81\x84\0\0\0\0more\x81\x85\0\0\0\0large")
        .await
        .unwrap();
    drop(stream);
    wait_for_open(&server, 0).await;
    assert_eq!(
        server.received(),
        [&four[..], b"\x81\x84\0\0\0\0more"].concat()
    );
    assert_eq!(session_events(&events).len(), 1);
}

#[tokio::test]
async fn messages_above_their_rate_close() {
    let (server, events) = server("messages = '5/s'\ncontrols = '5/s'").await;
    let mut calm = server.open("/ws", ONE).await.unwrap();
    let mut hasty = server.open("/ws", ONE).await.unwrap();
    for _ in 0..7 {
        hasty.send(Message::text("now")).await.unwrap();
    }
    assert_eq!(code(&mut hasty).await, CloseCode::Policy);
    for _ in 0..7 {
        echoes(&mut calm, Message::text("now and then")).await;
        sleep(Duration::from_millis(230)).await;
    }
    assert_eq!(session_events(&events).len(), 1);
    let mut flood = server.open("/ws", ONE).await.unwrap();
    for _ in 0..7 {
        let _ = flood.send(Message::Ping(Bytes::new())).await;
    }
    assert_eq!(code(&mut flood).await, CloseCode::Policy);
}

#[tokio::test]
async fn unfinished_message_closes_without_further_bytes() {
    let (server, events) = server("message_time = '300ms'").await;
    let mut slow = server.open("/ws", ONE).await.unwrap();
    let mut idle = server.open("/ws", ONE).await.unwrap();
    // The head of a masked text of ten bytes, and two of them.
    let began = Instant::now();
    slow.get_mut()
        .write_all(b"\x81\x8aabcd\x00\x00")
        .await
        .unwrap();
    assert_eq!(code(&mut slow).await, CloseCode::Policy);
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_secs(3),
        "{took:?}"
    );
    assert!(session_events(&events)[0].contains("rule message/too-slow"));
    echoes(&mut idle, Message::text("an idle client is not slow")).await;
}

#[tokio::test]
async fn drain_ends_all_sockets_spread_over_its_time() {
    let (server, events) = server("").await;
    let mut open = Vec::new();
    for _ in 0..40 {
        open.push(server.open("/ws", ONE).await.unwrap());
    }
    let over = Duration::from_millis(800);
    let began = Instant::now();
    server.guard().drain(over);
    let ends = open
        .iter_mut()
        .map(|socket| async move { (code(socket).await, began.elapsed()) });
    let ends = join_all(ends).await;
    assert!(ends.iter().all(|(code, _)| *code == CloseCode::Restart));
    let early = ends.iter().filter(|(_, at)| *at < over / 2).count();
    assert!((4..=36).contains(&early), "{early} of 40 in the first half");
    assert!(
        ends.iter()
            .all(|(_, at)| *at < over + Duration::from_secs(2))
    );
    assert_eq!(session_events(&events).len(), 40);
}
