//! A message that a rule denies never reaches the service in any fragmentation, and ends its
//! socket.

use std::{sync::Arc, time::Duration};

use gabion::{
    Mode,
    inspect::{MessageDenial, MessageDenials, MessageFacts, OnFault, RuleId},
};
use gabion_core::{InspectMessage, MessageKinds, Offense, SessionLimits};
use gabion_testkit::{RawWebSocket, Recorder, frame};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    echo::{TRUSTING, echo_behind, echo_with_limits, echo_with_limits_on_fault},
    guarded_proxy::builder,
};

const CLIENT: &str = "203.0.113.9";
const SECRET: &[u8] = b"the secret word";

/// Denies messages with the secret word, in this mode, and bans for it.
struct NoSecrets(Mode);

impl InspectMessage for NoSecrets {
    fn message_kinds(&self) -> MessageKinds {
        MessageKinds::Text
    }

    fn inspect_message(&self, message: &MessageFacts<'_>, message_denials: &mut MessageDenials) {
        let found = |word: &[u8]| message.payload.windows(word.len()).any(|here| here == word);
        assert!(!found(b"panic"), "a rule is broken");
        if found(SECRET) {
            let rule = RuleId::builtin("no-secrets");
            let ban = Offense::certain(rule.clone(), Duration::from_mins(1));
            let message_denial = MessageDenial::new(rule, "it is secret").with_mode(self.0);
            message_denials.add(message_denial.with_offense(ban));
        }
    }
}

/// Reads text messages; if a rule enforces, messages wait for its verdict.
fn reading(mode: Mode) -> SessionLimits {
    SessionLimits {
        message_kinds: MessageKinds::Text,
        holds: mode == Mode::Enforce,
        max_message: 4096,
        mode: Mode::Enforce,
        ..SessionLimits::default()
    }
}

/// The secret in three fragments, with a ping and a pong between them.
fn fragments() -> Vec<Vec<u8>> {
    vec![
        frame(RawWebSocket::FIRST, b"this is the sec"),
        frame(RawWebSocket::PING, b"are you there?"),
        frame(RawWebSocket::CONTINUATION, b"ret wo"),
        frame(RawWebSocket::PONG, b""),
        frame(RawWebSocket::LAST, b"rd"),
    ]
}

/// The bytes that a client receives until its socket ends.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    let _ = read.expect("it ends");
    rest
}

const CLOSED: &[u8] = b"\x88\x02\x03\xf0";

#[tokio::test]
async fn secret_in_fragments_never_reaches_the_service() {
    let server = echo_with_limits(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut stream = server.open_raw("/open", CLIENT).await;
    let honest = [frame(RawWebSocket::TEXT, b"hello"), frame(0x82, SECRET)].concat();
    stream.write_all(&honest).await.unwrap();
    server.wait_for_received(honest.len()).await;

    let fragments = fragments();
    for part in &fragments {
        stream.write_all(part).await.unwrap();
    }
    assert_eq!(rest(stream).await, CLOSED);
    server.guard().wait_until_closed().await;
    // A ping and a pong are not part of the message and overtake it. Binary messages are not read
    // here.
    assert_eq!(
        server.received(),
        [&*honest, &fragments[1], &fragments[3]].concat()
    );
    let texts = server.guard().event_texts();
    let [ban, end] = &*texts else {
        panic!("{texts:?}")
    };
    assert_eq!(ban, "203.0.113.9/32 banned for 60 s by rule no-secrets");
    let (words, hash) = end.split_at(end.find("hash ").unwrap());
    assert_eq!(
        words,
        "203.0.113.9 session 0 on \"/open\" closed with 1008: rule no-secrets: it is secret (message \
         of 23 bytes at byte 32, "
    );
    assert_eq!(hash.len(), "hash 0123456789abcdef)".len(), "{hash}");
    assert!(
        !texts.concat().contains("secret wo"),
        "the panic message is in the event"
    );
    let banned = server.guard().bans.list(gabion::inspect::Clock::now(
        &gabion::inspect::SystemClock::new(),
    ));
    assert_eq!(banned.len(), 1);
}

#[tokio::test]
async fn secret_is_found_byte_by_byte() {
    let server = echo_with_limits(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut stream = server.open_raw("/open", CLIENT).await;
    for byte in fragments().concat() {
        // The socket may close before the last byte.
        let _ = stream.write_all(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(rest(stream).await, CLOSED);
    server.guard().wait_until_closed().await;
    assert_eq!(
        server.received(),
        [
            frame(RawWebSocket::PING, b"are you there?"),
            frame(RawWebSocket::PONG, b"")
        ]
        .concat()
    );
}

#[tokio::test]
async fn honest_messages_pass_as_sent() {
    let server = echo_with_limits(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut stream = server.open_raw("/raw", CLIENT).await;
    let long = "the sec ret word ".repeat(200);
    let honest = [
        frame(RawWebSocket::TEXT, b""),
        frame(RawWebSocket::TEXT, long.as_bytes()),
        frame(RawWebSocket::FIRST, b"in "),
        frame(RawWebSocket::CONTINUATION, b""),
        frame(RawWebSocket::LAST, "frägments".as_bytes()),
        frame(0x82, &[7; 4096]),
        frame(RawWebSocket::TEXT, b"the last"),
    ]
    .concat();
    let mut back = vec![0; honest.len()];
    for at_once in [honest.len(), 1] {
        for part in honest.chunks(at_once) {
            stream.write_all(part).await.unwrap();
        }
        let read = timeout(Duration::from_secs(5), stream.read_exact(&mut back)).await;
        read.unwrap().unwrap();
        assert!(back == honest, "some byte is another");
    }
    assert_eq!(server.guard().event_texts(), [""; 0]);
}

#[tokio::test]
async fn other_sockets_stay_open_until_the_ban() {
    let server = echo_with_limits(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut bad = server.open_raw("/open", CLIENT).await;
    let theirs = server.open_raw("/raw", CLIENT).await;
    let mut other = server.open_raw("/raw", "198.51.100.7").await;
    bad.write_all(&frame(RawWebSocket::TEXT, SECRET))
        .await
        .unwrap();
    assert_eq!(rest(bad).await, CLOSED);
    let hello = frame(RawWebSocket::TEXT, b"hello");
    let mut back = vec![0; hello.len()];
    other.write_all(&hello).await.unwrap();
    other.read_exact(&mut back).await.unwrap();
    assert_eq!(back, hello);
    drop(theirs);
}

#[tokio::test]
async fn secret_is_only_reported_in_observe_mode() {
    let server = echo_with_limits(reading(Mode::Observe), NoSecrets(Mode::Observe)).await;
    let mut stream = server.open_raw("/open", CLIENT).await;
    let sent = [fragments().concat(), frame(RawWebSocket::TEXT, b"and on")].concat();
    stream.write_all(&sent).await.unwrap();
    assert_eq!(server.wait_for_received(sent.len()).await, sent);
    let texts = server.guard().event_texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(
        texts[0].contains("\"/open\" would have been closed with 1008: rule no-secrets"),
        "{texts:?}"
    );
}

#[tokio::test]
async fn secret_is_only_reported_under_the_observe_override_and_enforced_after_it() {
    let server = echo_with_limits(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut stream = server.open_raw("/open", CLIENT).await;
    let now = || gabion::inspect::Clock::now(&gabion::inspect::SystemClock::new());
    server
        .guard()
        .observe_override
        .start(now(), Duration::from_mins(1));
    // A protocol error stops the observation; the observe override lets that pass too.
    let sent = [
        fragments().concat(),
        frame(RawWebSocket::TEXT, b"hello"),
        frame(0x83, b"?"),
    ]
    .concat();
    stream.write_all(&sent).await.unwrap();
    server.wait_for_received(sent.len()).await;
    let texts = server.guard().event_texts();
    assert!(
        texts.len() == 2 && texts.iter().all(|text| text.contains("would have been")),
        "{texts:?}"
    );
    assert!(server.guard().bans.list(now()).is_empty());

    server.guard().observe_override.start(now(), Duration::ZERO);
    stream
        .write_all(&frame(RawWebSocket::TEXT, SECRET))
        .await
        .unwrap();
    assert_eq!(rest(stream).await, b"\x88\x02\x03\xea");
    server.guard().wait_until_closed().await;
    assert_eq!(
        server.received().len(),
        sent.len(),
        "what cannot be read passed unread"
    );
}

#[tokio::test]
async fn panic_in_a_message_rule_is_reported_and_handled_by_on_fault() {
    let hello = [
        frame(RawWebSocket::TEXT, b"panic"),
        frame(RawWebSocket::TEXT, b"hello"),
    ]
    .concat();
    let passing = echo_with_limits_on_fault(
        reading(Mode::Enforce),
        NoSecrets(Mode::Enforce),
        OnFault::Pass,
    )
    .await;
    let mut stream = passing.open_raw("/open", CLIENT).await;
    stream.write_all(&hello).await.unwrap();
    assert_eq!(passing.wait_for_received(hello.len()).await, hello);
    assert_eq!(
        passing.guard().event_texts(),
        ["203.0.113.9 panic in an inspector: \"a rule is broken\""]
    );

    let server = echo_with_limits(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut stream = server.open_raw("/open", CLIENT).await;
    stream.write_all(&hello).await.unwrap();
    assert_eq!(rest(stream).await, b"\x88\x02\x03\xf3");
    server.guard().wait_until_closed().await;
    assert_eq!(server.received(), b"");
    assert_eq!(server.guard().event_texts().len(), 2);
}

#[tokio::test]
async fn limits_in_observe_mode_do_not_bypass_an_enforced_rule() {
    let session_limits = SessionLimits {
        mode: Mode::Observe,
        messages: Some(1),
        ..reading(Mode::Enforce)
    };
    let server = echo_with_limits(session_limits, NoSecrets(Mode::Enforce)).await;
    let mut many = server.open_raw("/open", CLIENT).await;
    let honest = frame(RawWebSocket::TEXT, b"hello").repeat(5);
    many.write_all(&honest).await.unwrap();
    server.wait_for_received(honest.len()).await;
    many.write_all(&frame(RawWebSocket::TEXT, SECRET))
        .await
        .unwrap();
    assert_eq!(rest(many).await, CLOSED);

    let mut broken = server.open_raw("/open", "198.51.100.7").await;
    broken.write_all(&frame(0x83, b"?")).await.unwrap();
    assert_eq!(
        rest(broken).await,
        b"\x88\x02\x03\xea",
        "what cannot be read would hide all else"
    );
    assert_eq!(server.received(), honest);
}

#[tokio::test]
async fn waiting_message_is_bounded() {
    let session_limits = SessionLimits {
        max_fragments: 4,
        message_time: Duration::from_millis(300),
        ..reading(Mode::Enforce)
    };
    let server = echo_with_limits(session_limits, NoSecrets(Mode::Enforce)).await;
    let closed_by = async |parts: &[Vec<u8>]| {
        let mut stream = server.open_raw("/open", CLIENT).await;
        for part in parts {
            let _ = stream.write_all(part).await;
        }
        let close = rest(stream).await;
        u16::from_be_bytes([close[2], close[3]])
    };
    assert_eq!(
        closed_by(&[frame(RawWebSocket::FIRST, &[b'a'; 4097])]).await,
        1009
    );
    let large = [
        frame(RawWebSocket::FIRST, &[b'a'; 2048]),
        frame(RawWebSocket::LAST, &[b'a'; 2049]),
    ];
    assert_eq!(closed_by(&large).await, 1009);
    let mut many = vec![frame(RawWebSocket::FIRST, b"")];
    many.extend(vec![frame(RawWebSocket::CONTINUATION, b""); 4]);
    assert_eq!(closed_by(&many).await, 1008);
    assert_eq!(
        closed_by(&[frame(RawWebSocket::FIRST, b"and then")]).await,
        1008
    );
    assert_eq!(server.received(), b"");
}

#[tokio::test]
async fn message_is_judged_by_the_policy_in_force() {
    let policy = |word| format!("{TRUSTING}[[message]]\nid = 'word'\ncontains = '{word}'\n");
    let guard = builder(Arc::new(Recorder::default()));
    let guard = guard.with_policy(&policy("attack"), "policy").unwrap();
    let server = echo_behind(guard).await;
    let mut socket = RawWebSocket::new(server.open_raw("/ws", CLIENT).await);
    let mut echoes = async |text: &[u8]| {
        socket.send(&frame(RawWebSocket::TEXT, text)).await;
        socket.next().await.unwrap()
    };
    assert_eq!(
        echoes(b"defend").await,
        (RawWebSocket::TEXT, b"defend".to_vec())
    );
    server
        .guard()
        .policy_handle()
        .replace(&policy("defend"))
        .unwrap();
    assert_eq!(
        echoes(b"attack").await,
        (RawWebSocket::TEXT, b"attack".to_vec())
    );
    assert_eq!(echoes(b"defend").await, (0x88, b"\x03\xf0".to_vec()));
}
