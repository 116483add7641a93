//! Properties of the parser, on frames that are nearly valid.

use std::{sync::Arc, time::Duration};

use gabion_frames::{
    Limits, MessageDecoding, MessageKind, Negotiated, Observer, Role, Seen, encode,
};
use gabion_testkit::laws;
use proptest::{collection::vec, prelude::*};
use tokio_tungstenite::tungstenite::{
    Message, WebSocket,
    protocol::{Role as Side, frame::Frame, frame::coding},
};

/// The first byte of a frame, mostly a legal one.
fn head() -> impl Strategy<Value = u8> {
    prop_oneof![
        8 => prop::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A, 0xC1]),
        1 => prop::sample::select(vec![0x88_u8, 0x09, 0x83, 0xA1, 0xC0]),
        1 => any::<u8>(),
    ]
}

/// Mostly UTF-8, and mostly short.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-z\u{e9}\u{20ac}\u{1f600}]{0,6}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..6),
        1 => (120_usize..140).prop_map(|len| vec![b'x'; len]),
        1 => Just(vec![0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]),
        1 => Just(vec![0x03, 0xE8, 0x6F, 0x6B]),
    ]
}

/// A frame from `role`, masked if the role requires it.
fn frame(role: Role) -> impl Strategy<Value = Vec<u8>> {
    (head(), payload(), any::<[u8; 4]>()).prop_map(move |(head, mut payload, key)| {
        let masked = u8::from(role == Role::Client) << 7;
        let mut sent = vec![head];
        match u8::try_from(payload.len()) {
            Ok(len @ ..126) => sent.push(masked + len),
            Ok(len) => sent.extend([masked + 126, 0, len]),
            Err(_) => unreachable!("payloads are short"),
        }
        if role == Role::Client {
            sent.extend(key);
            for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
                *byte ^= key;
            }
        }
        sent.append(&mut payload);
        sent
    })
}

fn settings() -> impl Strategy<Value = (MessageDecoding, Negotiated)> {
    let decoding = prop::sample::select(vec![
        MessageDecoding::None,
        MessageDecoding::Text,
        MessageDecoding::All,
    ]);
    let extensions = prop::sample::select(vec![
        "",
        "",
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ]);
    let negotiated =
        extensions.prop_map(|line| Negotiated::from_header([line.as_bytes()]).unwrap());
    (decoding, negotiated)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn laws_hold_of_a_servers_frames(
        frames in vec(frame(Role::Server), 0..8),
        (decoding, negotiated) in settings(),
        cut in 1_usize..20,
    ) {
        laws::frames_with(&frames.concat(), Role::Server, decoding, negotiated, cut);
    }

    #[test]
    fn laws_hold_of_a_clients_frames(
        frames in vec(frame(Role::Client), 0..8),
        (decoding, negotiated) in settings(),
        cut in 1_usize..20,
    ) {
        laws::frames_with(&frames.concat(), Role::Client, decoding, negotiated, cut);
    }

    #[test]
    fn laws_hold_of_any_bytes(input in vec(any::<u8>(), 0..64)) {
        laws::frames(&input);
    }

    #[test]
    fn messages_of_tungstenite_are_decoded(
        messages in vec(message(), 0..8),
        client in any::<bool>(),
        cut in 1_usize..300,
    ) {
        let (side, role) = if client {
            (Side::Client, Role::Client)
        } else {
            (Side::Server, Role::Server)
        };
        let sent = sent_by_tungstenite(side, &messages);
        let limits = Arc::new(Limits::new());
        let mut observer = Observer::new(role, limits, Negotiated::NONE, MessageDecoding::All);
        let mut decoded = Vec::new();
        for mut piece in sent.chunks(cut) {
            while let Some(observation) = observer.watch(&mut piece, Duration::ZERO).unwrap() {
                match observation.seen {
                    Some(Seen::Message { kind, payload, .. }) => decoded.push((kind, payload.to_vec())),
                    Some(Seen::Ping(payload)) => prop_assert_eq!(payload, b"between"),
                    _ => {}
                }
            }
        }
        let messages: Vec<_> = messages
            .into_iter()
            .map(|(kind, fragments)| (kind, fragments.concat()))
            .collect();
        prop_assert_eq!(decoded, messages);
        prop_assert_eq!(observer.boundary(), Some(0));
        prop_assert!(!observer.in_message());
    }

    #[test]
    fn encoded_control_frames_are_decoded(
        payload in vec(any::<u8>(), 0..=125),
        reason in "\\PC{0,80}",
        key in any::<Option<[u8; 4]>>(),
    ) {
        let role = if key.is_some() { Role::Client } else { Role::Server };
        let limits = Arc::new(Limits::new());
        let mut observer = Observer::new(role, limits, Negotiated::NONE, MessageDecoding::None);
        let mut last_seen = |frame: encode::ControlFrame| {
            let mut rest = frame.as_bytes();
            let mut results = Vec::new();
            while let Some(observation) = observer.watch(&mut rest, Duration::ZERO).unwrap() {
                results.extend(observation.seen.map(|seen| format!("{seen:?}")));
            }
            results.pop().unwrap()
        };
        let ping = last_seen(encode::ping(&payload, key).unwrap());
        prop_assert_eq!(ping, format!("{:?}", Seen::Ping(&payload)));
        let pong = last_seen(encode::pong(&payload, key).unwrap());
        prop_assert_eq!(pong, format!("{:?}", Seen::Pong(&payload)));
        let code = gabion_frames::CloseCode::RESTART;
        let close = last_seen(encode::close(code, &reason, key));
        let reason = reason.split_at(reason.floor_char_boundary(123)).0;
        prop_assert_eq!(close, format!("{:?}", Seen::Close { code: Some(code), reason }));
    }
}

/// A message in fragments.
fn message() -> impl Strategy<Value = (MessageKind, Vec<Vec<u8>>)> {
    let text = "[a-z\u{e9}\u{20ac}\u{1f600}]{0,200}".prop_map(String::into_bytes);
    prop_oneof![
        vec(text, 1..4).prop_map(|fragments| (MessageKind::Text, fragments)),
        vec(vec(any::<u8>(), 0..400), 1..4).prop_map(|fragments| (MessageKind::Binary, fragments)),
    ]
}

/// The bytes that tungstenite makes of the messages, with pings between their fragments.
fn sent_by_tungstenite(side: Side, messages: &[(MessageKind, Vec<Vec<u8>>)]) -> Vec<u8> {
    let mut socket = WebSocket::from_raw_socket(std::io::Cursor::new(Vec::new()), side, None);
    for (kind, fragments) in messages {
        let mut opcode = match kind {
            MessageKind::Text => coding::Data::Text,
            MessageKind::Binary => coding::Data::Binary,
        };
        for (before, fragment) in fragments.iter().enumerate() {
            let last = before + 1 == fragments.len();
            let opcode = std::mem::replace(&mut opcode, coding::Data::Continue);
            let frame = Frame::message(fragment.clone(), coding::OpCode::Data(opcode), last);
            socket.write(Message::Frame(frame)).unwrap();
            socket.write(Message::Ping("between".into())).unwrap();
        }
    }
    socket.flush().unwrap();
    socket.get_ref().get_ref().clone()
}
