//! Whoever enforces can keep a message back until it is judged, and nothing else.

use std::time::Duration;

use gabion_frames::{Depth, Limits, Opcode, Seen};

use crate::observer;

/// What is forwarded of bytes that come one by one, where messages with `evil` in them fall.
fn forwarded(depth: Depth, sent: &[u8]) -> Vec<u8> {
    let mut observer = observer(Limits::new(), depth);
    let (mut held, mut forwarded) = (Vec::new(), Vec::new());
    for piece in sent.chunks(1) {
        let mut piece = piece;
        while let Some(step) = observer.watch(&mut piece, Duration::ZERO).unwrap() {
            let to = if step.hold { &mut held } else { &mut forwarded };
            to.extend(step.bytes);
            if let Some(Seen::Message { payload, .. }) = step.seen {
                if !payload.windows(4).any(|word| word == b"evil") {
                    forwarded.extend(&held);
                }
                held.clear();
            }
        }
    }
    forwarded
}

#[test]
fn a_message_waits_whole_and_falls_whole() {
    let sent = b"\x81\x02hi\x01\x02ev\x80\x02il\x81\x01!";
    assert_eq!(forwarded(Depth::Messages, sent), b"\x81\x02hi\x81\x01!");
    assert_eq!(forwarded(Depth::Headers, sent), sent, "nobody looks");
}

#[test]
fn a_ping_overtakes_the_message_that_it_parts() {
    let sent = b"\x01\x02go\x89\x01p\x80\x02od";
    let overtaken = b"\x89\x01p\x01\x02go\x80\x02od";
    assert_eq!(forwarded(Depth::Messages, sent), overtaken);
}

#[test]
fn only_what_is_read_waits() {
    let sent = b"\x02\x02ev\x80\x02il\x82\x00\x89\x00";
    assert_eq!(forwarded(Depth::Text, sent), sent);
    assert_eq!(forwarded(Depth::Messages, sent), b"\x82\x00\x89\x00");
}

#[test]
fn a_message_knows_where_it_began() {
    let mut observer = observer(Limits::new(), Depth::Text);
    let sent = b"\x82\x01b\x01\x01h\x89\x00\x80\x01o";
    let mut offsets = Vec::new();
    for piece in sent.chunks(1) {
        let mut piece = piece;
        while let Some(step) = observer.watch(&mut piece, Duration::ZERO).unwrap() {
            if let Some(Seen::Message { offset, .. }) = step.seen {
                offsets.push(offset);
            }
        }
    }
    assert_eq!(offsets, [3]);
}

/// Pings of somebody between are answered by pongs that are nobody else's business.
#[test]
fn a_pong_can_be_let_fall_at_any_cut() {
    let sent = b"\x8a\x04mine\x01\x01h\x8a\x05yours\x80\x01o\x8a\x04mine";
    let mut observer = observer(Limits::new(), Depth::Headers);
    let (mut pong, mut forwarded) = (Vec::new(), Vec::<u8>::new());
    for piece in sent.chunks(1) {
        let mut piece = piece;
        while let Some(step) = observer.watch(&mut piece, Duration::ZERO).unwrap() {
            let to = match step.opcode {
                Opcode::Pong => &mut pong,
                _ => &mut forwarded,
            };
            to.extend(step.bytes);
            if let Some(Seen::Pong(payload)) = step.seen {
                if payload != b"mine" {
                    forwarded.extend(&pong);
                }
                pong.clear();
            }
        }
    }
    assert_eq!(forwarded, b"\x01\x01h\x8a\x05yours\x80\x01o");
}
