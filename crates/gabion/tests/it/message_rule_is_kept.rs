//! A message that a rule refuses never reaches the service, however it is cut, and ends its socket.

use std::{sync::Arc, time::Duration};

use gabion::{
    Inspect, Mode, RequestState, Verdict,
    inspect::{MessageDenial, MessageDenials, MessageFacts, OnFault, RuleId},
};
use gabion_core::{Facts, MessageKinds, Offense, SessionLimits};
use gabion_testkit::Recorder;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    frames::{AMID, BEGIN, ByHand, END, PING, PONG, TEXT, frame},
    house::{House, TRUSTING},
    session_limits::{house, house_with},
    sockets::builder,
};

const CLIENT: &str = "203.0.113.9";
const SECRET: &[u8] = b"the secret word";

/// Objects to the secret word, in this mode, and bans for it.
struct NoSecrets(Mode);

impl Inspect for NoSecrets {
    fn name(&self) -> &'static str {
        "no-secrets"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn message(&self, message: &MessageFacts<'_>, message_denials: &mut MessageDenials) {
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

/// Reads text; where a rule acts, messages wait.
fn reading(mode: Mode) -> SessionLimits {
    SessionLimits {
        message_kinds: MessageKinds::Text,
        holds: mode == Mode::Enforce,
        max_message: 4096,
        mode: Mode::Enforce,
        ..SessionLimits::default()
    }
}

/// The secret over three fragments, with a ping and a pong between them.
fn cut() -> Vec<Vec<u8>> {
    vec![
        frame(BEGIN, b"this is the sec"),
        frame(PING, b"are you there?"),
        frame(AMID, b"ret wo"),
        frame(PONG, b""),
        frame(END, b"rd"),
    ]
}

/// What a client gets until its socket ends.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    let _ = read.expect("it ends");
    rest
}

const CLOSED: &[u8] = b"\x88\x02\x03\xf0";

#[tokio::test]
async fn secret_in_fragments_never_reaches_the_service() {
    let house = house(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut stream = house.open_raw("/open", CLIENT).await;
    let honest = [frame(TEXT, b"hello"), frame(0x82, SECRET)].concat();
    stream.write_all(&honest).await.unwrap();
    house.hears(honest.len()).await;

    let cut = cut();
    for part in &cut {
        stream.write_all(part).await.unwrap();
    }
    assert_eq!(rest(stream).await, CLOSED);
    house.empties().await;
    // A ping and a pong are no part of the message, and overtake it. Binary is not read here.
    assert_eq!(house.heard(), [&*honest, &cut[1], &cut[3]].concat());
    let told = house.told();
    let [ban, end] = &*told else {
        panic!("{told:?}")
    };
    assert_eq!(ban, "203.0.113.9/32 banned for 60 s by rule no-secrets");
    let (words, hash) = end.split_at(end.find("hash ").unwrap());
    assert_eq!(
        words,
        "203.0.113.9 session 0 on /open closed with 1008: rule no-secrets: it is secret (message \
         of 23 bytes at byte 32, "
    );
    assert_eq!(hash.len(), "hash 0123456789abcdef)".len(), "{hash}");
    assert!(!told.concat().contains("secret wo"), "what it said is told");
    let banned = house.before().bans.list(gabion::inspect::Clock::now(
        &gabion::inspect::SystemClock::new(),
    ));
    assert_eq!(banned.len(), 1);
}

#[tokio::test]
async fn secret_that_comes_byte_by_byte_is_no_other() {
    let house = house(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut stream = house.open_raw("/open", CLIENT).await;
    for byte in cut().concat() {
        // The socket may be closed before the last.
        let _ = stream.write_all(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(rest(stream).await, CLOSED);
    house.empties().await;
    assert_eq!(
        house.heard(),
        [frame(PING, b"are you there?"), frame(PONG, b"")].concat()
    );
}

#[tokio::test]
async fn what_is_honest_passes_as_it_was_sent() {
    let house = house(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut stream = house.open_raw("/raw", CLIENT).await;
    let long = "the sec ret word ".repeat(200);
    let honest = [
        frame(TEXT, b""),
        frame(TEXT, long.as_bytes()),
        frame(BEGIN, b"in "),
        frame(AMID, b""),
        frame(END, "frägments".as_bytes()),
        frame(0x82, &[7; 4096]),
        frame(TEXT, b"the last"),
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
    assert_eq!(house.told(), [""; 0]);
}

#[tokio::test]
async fn others_of_the_client_and_other_clients_are_not_touched_until_it_is_banned() {
    let house = house(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut bad = house.open_raw("/open", CLIENT).await;
    let theirs = house.open_raw("/raw", CLIENT).await;
    let mut other = house.open_raw("/raw", "198.51.100.7").await;
    bad.write_all(&frame(TEXT, SECRET)).await.unwrap();
    assert_eq!(rest(bad).await, CLOSED);
    let hello = frame(TEXT, b"hello");
    let mut back = vec![0; hello.len()];
    other.write_all(&hello).await.unwrap();
    other.read_exact(&mut back).await.unwrap();
    assert_eq!(back, hello);
    drop(theirs);
}

#[tokio::test]
async fn secret_is_only_told_where_the_rule_observes() {
    let house = house(reading(Mode::Observe), NoSecrets(Mode::Observe)).await;
    let mut stream = house.open_raw("/open", CLIENT).await;
    let sent = [cut().concat(), frame(TEXT, b"and on")].concat();
    stream.write_all(&sent).await.unwrap();
    assert_eq!(house.hears(sent.len()).await, sent);
    let told = house.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("/open would have been closed with 1008: rule no-secrets"),
        "{told:?}"
    );
}

#[tokio::test]
async fn secret_is_only_told_during_a_truce_and_acted_upon_after_it() {
    let house = house(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut stream = house.open_raw("/open", CLIENT).await;
    let now = || gabion::inspect::Clock::now(&gabion::inspect::SystemClock::new());
    house
        .before()
        .observe_override
        .start(now(), Duration::from_mins(1));
    // What breaks the protocol blinds; a truce lets that pass too.
    let sent = [cut().concat(), frame(TEXT, b"hello"), frame(0x83, b"?")].concat();
    stream.write_all(&sent).await.unwrap();
    house.hears(sent.len()).await;
    let told = house.told();
    assert!(
        told.len() == 2 && told.iter().all(|said| said.contains("would have been")),
        "{told:?}"
    );
    assert!(house.before().bans.list(now()).is_empty());

    house.before().observe_override.start(now(), Duration::ZERO);
    stream.write_all(&frame(TEXT, SECRET)).await.unwrap();
    assert_eq!(rest(stream).await, b"\x88\x02\x03\xea");
    house.empties().await;
    assert_eq!(
        house.heard().len(),
        sent.len(),
        "what cannot be read passed unread"
    );
}

#[tokio::test]
async fn panic_over_a_message_is_told_and_ends_its_socket_as_on_fault_says() {
    let hello = [frame(TEXT, b"panic"), frame(TEXT, b"hello")].concat();
    let passing = house_with(
        reading(Mode::Enforce),
        NoSecrets(Mode::Enforce),
        OnFault::Pass,
    )
    .await;
    let mut stream = passing.open_raw("/open", CLIENT).await;
    stream.write_all(&hello).await.unwrap();
    assert_eq!(passing.hears(hello.len()).await, hello);
    assert_eq!(
        passing.told(),
        ["203.0.113.9 panic in an inspector: a rule is broken"]
    );

    let house = house(reading(Mode::Enforce), NoSecrets(Mode::Enforce)).await;
    let mut stream = house.open_raw("/open", CLIENT).await;
    stream.write_all(&hello).await.unwrap();
    assert_eq!(rest(stream).await, b"\x88\x02\x03\xf3");
    house.empties().await;
    assert_eq!(house.heard(), b"");
    assert_eq!(house.told().len(), 2);
}

#[tokio::test]
async fn limits_that_only_observe_let_nobody_past_a_rule_that_acts() {
    let session_limits = SessionLimits {
        mode: Mode::Observe,
        messages: Some(1),
        ..reading(Mode::Enforce)
    };
    let house = house(session_limits, NoSecrets(Mode::Enforce)).await;
    let mut many = house.open_raw("/open", CLIENT).await;
    let honest = frame(TEXT, b"hello").repeat(5);
    many.write_all(&honest).await.unwrap();
    house.hears(honest.len()).await;
    many.write_all(&frame(TEXT, SECRET)).await.unwrap();
    assert_eq!(rest(many).await, CLOSED);

    let mut broken = house.open_raw("/open", "198.51.100.7").await;
    broken.write_all(&frame(0x83, b"?")).await.unwrap();
    assert_eq!(
        rest(broken).await,
        b"\x88\x02\x03\xea",
        "what cannot be read would hide all else"
    );
    assert_eq!(house.heard(), honest);
}

#[tokio::test]
async fn message_that_waits_holds_no_more_than_it_may() {
    let session_limits = SessionLimits {
        max_fragments: 4,
        message_time: Duration::from_millis(300),
        ..reading(Mode::Enforce)
    };
    let house = house(session_limits, NoSecrets(Mode::Enforce)).await;
    let closed_by = async |parts: &[Vec<u8>]| {
        let mut stream = house.open_raw("/open", CLIENT).await;
        for part in parts {
            let _ = stream.write_all(part).await;
        }
        let close = rest(stream).await;
        u16::from_be_bytes([close[2], close[3]])
    };
    assert_eq!(closed_by(&[frame(BEGIN, &[b'a'; 4097])]).await, 1009);
    let large = [frame(BEGIN, &[b'a'; 2048]), frame(END, &[b'a'; 2049])];
    assert_eq!(closed_by(&large).await, 1009);
    let mut many = vec![frame(BEGIN, b"")];
    many.extend(vec![frame(AMID, b""); 4]);
    assert_eq!(closed_by(&many).await, 1008);
    assert_eq!(closed_by(&[frame(BEGIN, b"and then")]).await, 1008);
    assert_eq!(house.heard(), b"");
}

#[tokio::test]
async fn message_is_judged_by_the_policy_in_force() {
    let policy = |word| format!("{TRUSTING}[[message]]\nid = 'word'\ncontains = '{word}'\n");
    let guard = builder(Arc::new(Recorder::default()));
    let guard = guard.with_policy(&policy("attack"), "policy").unwrap();
    let house = House::around(guard).await;
    let mut socket = ByHand::new(house.open_raw("/ws", CLIENT).await);
    let mut echoes = async |text: &[u8]| {
        socket.send(&frame(TEXT, text)).await;
        socket.next().await.unwrap()
    };
    assert_eq!(echoes(b"defend").await, (TEXT, b"defend".to_vec()));
    house
        .guard()
        .policy_handle()
        .replace(&policy("defend"))
        .unwrap();
    assert_eq!(echoes(b"attack").await, (TEXT, b"attack".to_vec()));
    assert_eq!(echoes(b"defend").await, (0x88, b"\x03\xf0".to_vec()));
}
