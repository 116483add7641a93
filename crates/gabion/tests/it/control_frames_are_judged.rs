//! Message rules also judge close reasons and the payloads of pings and pongs, which never reach the
//! service if a rule denies them.

use std::{sync::Arc, time::Duration};

use gabion_testkit::{RawWebSocket, Recorder, frame};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    echo::{GuardedEcho, TRUSTING, echo_behind},
    guarded_proxy::builder,
};

const CLIENT: &str = "203.0.113.9";
const CLOSE: u8 = 0x88;
const RULES: &str = "[[message]]\nid = 'word'\ncontains = 'attack'\nmatches = 'union\\s+select'\n\
                     longer_than = '16B'\njson_depth = 2\n";

async fn server(rules: &str) -> GuardedEcho {
    let guard = builder(Arc::new(Recorder::default()));
    let policy = [TRUSTING, rules].concat();
    echo_behind(guard.with_policy(&policy, "policy").unwrap()).await
}

/// A close frame with code 1000.
fn close(reason: &str) -> Vec<u8> {
    frame(
        CLOSE,
        &[&1000_u16.to_be_bytes(), reason.as_bytes()].concat(),
    )
}

/// The bytes that a client receives until its socket ends.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    let _ = read.expect("it ends");
    rest
}

#[tokio::test]
async fn denied_payload_does_not_reach_the_service_however_it_is_cut() {
    let attacks = [
        (frame(RawWebSocket::PING, b"an attack"), "ping payload"),
        (frame(RawWebSocket::PONG, b"union  select"), "pong payload"),
        (close("this is an attack"), "close reason"),
    ];
    for (attack, what) in attacks {
        for at_once in [attack.len(), 1] {
            let events = Arc::new(Recorder::default());
            let guard = builder(events.clone());
            let policy = [TRUSTING, RULES].concat();
            let server = echo_behind(guard.with_policy(&policy, "policy").unwrap()).await;
            let mut stream = server.open_raw("/open", CLIENT).await;
            let honest = frame(RawWebSocket::FIRST, b"begin");
            stream.write_all(&honest).await.unwrap();
            for part in attack.chunks(at_once) {
                stream.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            assert_eq!(rest(stream).await, b"\x88\x02\x03\xf0", "{what}");
            assert_eq!(server.received(), b"", "{what}");
            let texts = events.take_texts();
            assert_eq!(texts.len(), 1, "{texts:?}");
            let expected = format!("closed with 1008: rule word: {what} ");
            assert!(texts[0].contains(&expected), "{texts:?}");
            let place = format!(
                "({what} of {} bytes at byte 11, hash ",
                payload_len(&attack)
            );
            assert!(texts[0].contains(&place), "{texts:?}");
        }
    }
}

/// The length of what is judged of a short frame.
fn payload_len(frame: &[u8]) -> usize {
    frame.len() - 6 - if frame[0] == CLOSE { 2 } else { 0 }
}

#[tokio::test]
async fn honest_payloads_pass_as_sent() {
    let server = server(RULES).await;
    let honest = [
        frame(RawWebSocket::PING, b""),
        frame(RawWebSocket::PONG, b"unsolicited"),
        frame(RawWebSocket::FIRST, b"in "),
        frame(RawWebSocket::PING, b"longer than the limit for messages"),
        frame(RawWebSocket::LAST, b"two parts"),
        // JSON deeper than messages may be.
        frame(RawWebSocket::PING, b"[[[[1]]]]"),
        // Not text: the rule is about text.
        frame(RawWebSocket::PING, b"\xff attack"),
        close("bye: the tab was closed"),
    ]
    .concat();
    for at_once in [honest.len(), 1] {
        let before = server.received().len();
        let mut stream = server.open_raw("/open", CLIENT).await;
        for part in honest.chunks(at_once) {
            stream.write_all(part).await.unwrap();
        }
        let received = server.wait_for_received(before + honest.len()).await;
        // Control frames overtake the fragments of a message.
        let mut sorted = [received[before..].to_vec(), honest.clone()];
        for bytes in &mut sorted {
            bytes.sort_unstable();
        }
        assert_eq!(sorted[0], sorted[1]);
        assert!(received.ends_with(&close("bye: the tab was closed")));
    }
}

#[tokio::test]
async fn payload_that_is_not_text_is_judged_by_rules_for_binary_messages() {
    let rules = RULES.replace("longer_than", "kinds = 'binary'\nlonger_than");
    let server = server(&rules).await;
    let mut stream = server.open_raw("/open", CLIENT).await;
    let text = frame(RawWebSocket::PING, b"attack");
    stream.write_all(&text).await.unwrap();
    assert_eq!(server.wait_for_received(text.len()).await, text);
    let binary = frame(RawWebSocket::PING, b"\xff attack");
    stream.write_all(&binary).await.unwrap();
    assert_eq!(rest(stream).await, b"\x88\x02\x03\xf0");
    assert_eq!(server.received(), text);
}

#[tokio::test]
async fn rule_in_observe_mode_reports_and_passes() {
    let events = Arc::new(Recorder::default());
    let policy = [TRUSTING, RULES, "mode = 'observe'\n"].concat();
    let guard = builder(events.clone());
    let server = echo_behind(guard.with_policy(&policy, "policy").unwrap()).await;
    let mut stream = server.open_raw("/open", CLIENT).await;
    let sent = [
        frame(RawWebSocket::PING, b"an attack"),
        close("an attack, too"),
    ]
    .concat();
    stream.write_all(&sent).await.unwrap();
    assert_eq!(server.wait_for_received(sent.len()).await, sent);
    let texts = events.take_texts();
    assert_eq!(texts.len(), 2, "{texts:?}");
    for (text, what) in texts.iter().zip(["ping payload", "close reason"]) {
        let expected = format!("would have been closed with 1008: rule word: {what} contains");
        assert!(text.contains(&expected), "{text}");
    }
}

#[tokio::test]
async fn pongs_to_injected_pings_are_not_judged() {
    // Every text matches.
    let rules = "[upgrade]\nping = '100ms'\n[[message]]\nid = 'any'\nkinds = ['text', 'binary']\n\
                 matches = '(?s-u:.)'\n";
    let server = server(rules).await;
    let mut socket = RawWebSocket::new(server.open_raw("/open", CLIENT).await);
    let (others, pings) = socket.answer_pings(Duration::from_millis(700)).await;
    assert!(others.is_empty() && pings >= 2, "{others:?}, {pings} pings");
    assert_eq!(server.received(), b"");
}
