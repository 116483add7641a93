//! What `[upgrade]` says of sockets holds: how many, from which pages, and what is sent on them.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use gabion::Event;
use gabion_testkit::Recorder;
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::tungstenite::{Bytes, Message, protocol::frame::coding::CloseCode};

use crate::support::{
    house::{House, Socket, TRUSTING},
    sockets::{builder, rule_of},
};

const ONE: &str = "203.0.113.9";
const OTHER: &str = "198.51.100.7";

async fn house(session_limits: &str) -> (House, Arc<Recorder>) {
    house_by(&format!("{TRUSTING}[upgrade]\n{session_limits}\n")).await
}

async fn house_by(policy: &str) -> (House, Arc<Recorder>) {
    let events = Arc::new(Recorder::default());
    let guard = builder(events.clone())
        .with_policy(policy, "policy")
        .unwrap();
    (House::around(guard).await, events)
}

async fn next(socket: &mut Socket) -> Message {
    let next = timeout(Duration::from_secs(5), socket.next()).await;
    next.expect("an answer in 5 s").unwrap().unwrap()
}

async fn echoes(socket: &mut Socket, message: Message) {
    socket.send(message.clone()).await.unwrap();
    assert_eq!(next(socket).await, message);
}

async fn code(socket: &mut Socket) -> CloseCode {
    loop {
        if let Message::Close(close) = next(socket).await {
            return close.expect("a code").code;
        }
    }
}

/// What was told of sessions, in words.
fn told(events: &Recorder) -> Vec<String> {
    let all = events.take().into_iter();
    let sessions = all.filter(|event| matches!(event, Event::Session(_)));
    sessions.map(|event| event.to_string()).collect()
}

/// Waits until so many seats are taken.
async fn seats(house: &House, taken: usize) {
    let wait = async {
        while house.guard().sessions().len() != taken {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let found = || house.guard().sessions().len();
    assert!(
        timeout(Duration::from_secs(5), wait).await.is_ok(),
        "{}",
        found()
    );
}

#[tokio::test]
async fn client_has_so_many_sockets_and_others_have_theirs() {
    let (house, events) = house("sockets_per_client = 3").await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(house.open("/ws", ONE).await.unwrap());
    }
    let fourth = house.open("/ws", ONE).await;
    assert_eq!(fourth.err(), Some(StatusCode::TOO_MANY_REQUESTS));
    let refused = events.take();
    let rules: Vec<_> = refused.iter().filter_map(rule_of).collect();
    assert_eq!(rules, ["upgrade/sockets-per-client"]);
    let mut others = house.open("/ws", OTHER).await.unwrap();
    echoes(&mut others, Message::text("another client")).await;

    drop(open.pop());
    seats(&house, 3).await;
    let mut again = house.open("/ws", ONE).await.unwrap();
    echoes(&mut again, Message::text("in the free seat")).await;
}

#[tokio::test]
async fn all_have_so_many_together() {
    let (house, _) = house("sockets = 2").await;
    let _open = (
        house.open("/ws", ONE).await.unwrap(),
        house.open("/ws", OTHER).await.unwrap(),
    );
    let third = house.open("/ws", "192.0.2.1").await;
    assert_eq!(third.err(), Some(StatusCode::SERVICE_UNAVAILABLE));
}

#[tokio::test]
async fn who_is_never_limited_and_who_is_only_observed_opens_more() {
    let (inside, _) = house_by("version = 1\n[upgrade]\nsockets_per_client = 1").await;
    let _open = join_all((0..3).map(|_| inside.open("/ws", ONE))).await;
    seats(&inside, 3).await;

    let observing = TRUSTING.replace("[client]", "mode = 'observe'\n[client]");
    let policy = format!("{observing}[upgrade]\nsockets_per_client = 1\nmax_message = '4B'");
    let (observed, events) = house_by(&policy).await;
    let _first = observed.open("/ws", ONE).await.unwrap();
    let mut second = observed.open("/ws", ONE).await.unwrap();
    assert_eq!(events.take().iter().filter_map(rule_of).count(), 1);
    echoes(&mut second, Message::text("larger than four")).await;
    echoes(&mut second, Message::text("and again")).await;
    let said = "203.0.113.9 session 1 on /ws would have been closed with 1009: rule frame/too-big (in the \
                frame at byte 0)";
    assert_eq!(told(&events), [said]);
}

#[tokio::test]
async fn refused_handshake_frees_its_seat() {
    let (house, _) = house("sockets_per_client = 1").await;
    for _ in 0..3 {
        let nowhere = house.open("/no/socket/here", ONE).await;
        assert_eq!(nowhere.err(), Some(StatusCode::NOT_FOUND));
        let refused = house.open("/refusing", ONE).await;
        assert_eq!(refused.err(), Some(StatusCode::FORBIDDEN));
    }
    house.open("/ws", ONE).await.unwrap();
}

#[tokio::test]
async fn message_of_the_size_passes_and_a_larger_one_closes() {
    let (house, events) = house("max_message = '1KiB'").await;
    let mut socket = house.open("/ws", ONE).await.unwrap();
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
    let mut other = house.open("/ws", ONE).await.unwrap();

    socket.send(Message::binary(vec![7; 1025])).await.unwrap();
    assert_eq!(code(&mut socket).await, CloseCode::Size);
    let said = told(&events);
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains("closed with 1009: rule frame/too-big"),
        "{said:?}"
    );
    echoes(&mut other, Message::text("the other goes on")).await;
}

#[tokio::test]
async fn service_hears_nothing_of_what_breaks_the_terms_and_all_before() {
    let (house, events) = house("max_message = '4B'").await;
    let mut stream = house.open_raw("/heard", ONE).await;
    // The service has ended its half, so there is no room for a close: the stream just ends.
    let mut said = Vec::new();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut said))
        .await
        .expect("the service's end of its half comes through")
        .unwrap();
    assert_eq!(said, b"");
    let four = b"\x81\x84\0\0\0\0four";
    stream.write_all(four).await.unwrap();
    stream
        .write_all(b"\x81\x84\0\0\0\0more\x81\x85\0\0\0\0large")
        .await
        .unwrap();
    drop(stream);
    seats(&house, 0).await;
    assert_eq!(house.heard(), [&four[..], b"\x81\x84\0\0\0\0more"].concat());
    assert_eq!(told(&events).len(), 1);
}

#[tokio::test]
async fn messages_beyond_their_rate_close() {
    let (house, events) = house("messages = '5/s'\ncontrols = '5/s'").await;
    let mut calm = house.open("/ws", ONE).await.unwrap();
    let mut hasty = house.open("/ws", ONE).await.unwrap();
    for _ in 0..7 {
        hasty.send(Message::text("now")).await.unwrap();
    }
    assert_eq!(code(&mut hasty).await, CloseCode::Policy);
    for _ in 0..7 {
        echoes(&mut calm, Message::text("now and then")).await;
        sleep(Duration::from_millis(230)).await;
    }
    assert_eq!(told(&events).len(), 1);
    let mut flood = house.open("/ws", ONE).await.unwrap();
    for _ in 0..7 {
        let _ = flood.send(Message::Ping(Bytes::new())).await;
    }
    assert_eq!(code(&mut flood).await, CloseCode::Policy);
}

#[tokio::test]
async fn message_that_does_not_end_closes_by_itself() {
    let (house, events) = house("message_time = '300ms'").await;
    let mut slow = house.open("/ws", ONE).await.unwrap();
    let mut idle = house.open("/ws", ONE).await.unwrap();
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
    assert!(told(&events)[0].contains("rule message/too-slow"));
    echoes(&mut idle, Message::text("who says nothing is not slow")).await;
}

#[tokio::test]
async fn drain_ends_all_within_its_time_and_not_all_at_once() {
    let (house, events) = house("").await;
    let mut open = Vec::new();
    for _ in 0..40 {
        open.push(house.open("/ws", ONE).await.unwrap());
    }
    let over = Duration::from_millis(800);
    let began = Instant::now();
    house.guard().drain(over);
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
    assert_eq!(told(&events).len(), 40);
}
