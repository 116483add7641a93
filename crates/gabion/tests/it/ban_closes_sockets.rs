//! A ban closes the open WebSockets of its client within a second, and no others.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use gabion::{
    Guard, Mode,
    ban::{BanRecord, BanUpdate, Offense, OffenseRecorder as _},
    event::Event,
    inspect::{Clock as _, RuleId, SystemClock},
    websocket::CloseReason,
};
use gabion_testkit::{Recorder, client_at};
use http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, frame::coding::CloseCode},
    },
};

use crate::support::{
    echo::{GuardedEcho, TRUSTING, echo_behind},
    guarded_proxy::builder,
};

const BANNED: &str = "203.0.113.9";

async fn server(policy: &str) -> (GuardedEcho, Arc<Recorder>) {
    let events = Arc::new(Recorder::default());
    let guard = builder(events.clone())
        .with_policy(policy, "policy")
        .unwrap();
    (echo_behind(guard).await, events)
}

fn ban(guard: &Guard, client: &str) {
    let offense = Offense::certain(RuleId::builtin("by-hand"), Duration::from_mins(1));
    let now = SystemClock::new().now();
    let bans = guard.policy_handle().state().bans();
    bans.record_offense(&client_at(client), &offense, now);
}

/// The close code of the socket; `None` if it was cut without a close frame.
async fn code<S>(socket: &mut WebSocketStream<S>) -> Option<CloseCode>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let last = timeout(Duration::from_secs(5), socket.next()).await;
    match last.expect("it ends") {
        Some(Ok(Message::Close(close))) => Some(close?.code),
        Some(Ok(other)) => panic!("{other:?}"),
        Some(Err(_)) | None => None,
    }
}

async fn echoes<S>(socket: &mut WebSocketStream<S>, text: &str) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if socket.send(Message::text(text)).await.is_err() {
        return false;
    }
    let back = timeout(Duration::from_secs(5), socket.next()).await;
    matches!(back, Ok(Some(Ok(back))) if back == Message::text(text))
}

/// The ended sessions, each as the rule that ended it.
fn endings(events: &Recorder) -> Vec<String> {
    let rule = |event: &Event| match event {
        Event::Session(event) if event.mode == Mode::Enforce => Some(match &event.ending {
            CloseReason::Refused(cause) => cause.rule.to_string(),
            other => other.to_string(),
        }),
        _ => None,
    };
    events.take().iter().filter_map(rule).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundred_of_a_thousand_close_and_the_others_echo() {
    let (server, events) = server(TRUSTING).await;
    let mut theirs = Vec::new();
    let mut others = Vec::new();
    for nth in 0..1_000 {
        if nth % 10 == 0 {
            theirs.push(server.open("/ws", BANNED).await.unwrap());
        } else {
            let client = format!("198.51.{}.{}", 100 + nth / 250, nth % 250);
            others.push(server.open("/ws", &client).await.unwrap());
        }
    }
    assert!(echoes(&mut theirs[0], "before").await);
    assert_eq!(server.guard().sessions().len(), 1_000);

    let began = Instant::now();
    ban(server.guard(), BANNED);
    let codes = join_all(theirs.iter_mut().map(code)).await;
    let took = began.elapsed();
    println!("100 of 1,000 sockets closed {took:?} after the ban");
    assert!(
        codes.iter().all(|code| *code == Some(CloseCode::Policy)),
        "{codes:?}"
    );
    assert!(took < Duration::from_secs(1), "{took:?}");

    let alive = join_all(others.iter_mut().map(|socket| echoes(socket, "after"))).await;
    assert!(alive.iter().all(|echoed| *echoed));
    assert_eq!(endings(&events), vec!["ban/timed"; 100]);
    assert_eq!(
        server.open("/ws", BANNED).await.err(),
        Some(StatusCode::FORBIDDEN)
    );

    drop(theirs);
    drop(others);
    let empty = async {
        while !server.guard().sessions().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), empty)
        .await
        .expect("every place is free again");
}

#[tokio::test]
async fn allowed_client_keeps_its_sockets() {
    let (server, events) = server(&format!("{TRUSTING}[allow]\nnetworks = ['{BANNED}']\n")).await;
    let mut socket = server.open("/ws", BANNED).await.unwrap();
    ban(server.guard(), BANNED);
    assert!(echoes(&mut socket, "still here").await);
    assert_eq!(endings(&events), [""; 0]);
}

#[tokio::test]
async fn no_socket_is_closed_in_observe_mode_or_under_the_observe_override() {
    let (server, _) = server(&TRUSTING.replace("[client]", "mode = 'observe'\n[client]")).await;
    let mut socket = server.open("/ws", BANNED).await.unwrap();
    ban(server.guard(), BANNED);
    assert!(echoes(&mut socket, "observed").await);

    let (server, _) = self::server(TRUSTING).await;
    let mut socket = server.open("/ws", BANNED).await.unwrap();
    server.guard().observe_for(Duration::from_mins(1));
    ban(server.guard(), BANNED);
    assert!(echoes(&mut socket, "under the observe override").await);
}

/// The bytes after `begin`, up to the end of the connection, and the time until then.
async fn rest(mut stream: impl AsyncRead + Unpin, begin: &[u8]) -> (Vec<u8>, Duration) {
    let since = Instant::now();
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    let _ = read.expect("it ends");
    assert!(rest.starts_with(begin), "{}", rest.escape_ascii());
    (rest.split_off(begin.len()), since.elapsed())
}

#[tokio::test]
async fn close_frame_is_sent_between_frames() {
    let (server, _) = server(TRUSTING).await;
    let mut stream = server.open_raw("/halting", BANNED).await;
    let mut half = [0; 4];
    stream.read_exact(&mut half).await.unwrap();
    ban(server.guard(), BANNED);
    let (rest, took) = rest(stream, b"cd").await;
    assert_eq!(rest, b"\x88\x02\x03\xf0", "{}", rest.escape_ascii());
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn socket_is_cut_within_a_frame_or_without_frames() {
    let (server, events) = server(TRUSTING).await;
    let mut stuck = server.open_raw("/stuck", BANNED).await;
    let mut half = [0; 4];
    stuck.read_exact(&mut half).await.unwrap();
    let mut noise = server.open_raw("/raw", BANNED).await;
    noise.write_all(b"no frame").await.unwrap();
    let mut echo = [0; 8];
    noise.read_exact(&mut echo).await.unwrap();

    ban(server.guard(), BANNED);
    let ((from_stuck, took), (from_noise, _)) = tokio::join!(rest(stuck, b""), rest(noise, b""));
    assert_eq!(
        (from_stuck, from_noise),
        (vec![], vec![]),
        "a close inside of a frame"
    );
    assert!(
        took > Duration::from_millis(500) && took < Duration::from_secs(3),
        "{took:?}"
    );
    assert_eq!(endings(&events).len(), 2);
}

#[tokio::test]
async fn sockets_over_http2_close_in_the_same_way() {
    let (server, _) = server(TRUSTING).await;
    let theirs = server.open_http2("/ws", BANNED).await;
    let mut theirs = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    let other = server.open_http2("/ws", "198.51.100.7").await;
    let mut other = WebSocketStream::from_raw_socket(other, Role::Client, None).await;
    ban(server.guard(), BANNED);
    assert_eq!(code(&mut theirs).await, Some(CloseCode::Policy));
    assert!(echoes(&mut other, "another client").await);
}

#[tokio::test]
async fn ban_of_a_network_closes_the_sockets_of_its_clients() {
    let (server, events) = server(TRUSTING).await;
    let mut inside = server.open("/ws", BANNED).await.unwrap();
    let mut outside = server.open("/ws", "203.0.114.9").await.unwrap();
    let since = server.guard().now().wall();
    let ban = BanRecord {
        network: "203.0.113.0/24".parse().unwrap(),
        by: RuleId::builtin("by-hand"),
        reason: None,
        since,
        until: since + Duration::from_mins(1),
        offenses: 8,
    };
    let applied = server.guard().apply_from_peer(&BanUpdate::Banned(ban));
    assert_eq!(applied, Ok(()));
    assert_eq!(code(&mut inside).await, Some(CloseCode::Policy));
    assert!(echoes(&mut outside, "still here").await);
    assert_eq!(endings(&events), ["ban/timed"]);
}
