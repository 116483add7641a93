//! A proxy can hold a message until it is judged, and other frames pass.

use std::time::Duration;

use gabion_frames::{Limits, MessageDecoding, Opcode, Seen};

use crate::observer;

/// The forwarded bytes of an input that arrives byte by byte; messages that contain `evil` are
/// dropped.
fn forwarded(decoding: MessageDecoding, sent: &[u8]) -> Vec<u8> {
    let mut observer = observer(Limits::new(), decoding);
    let (mut held, mut forwarded) = (Vec::new(), Vec::new());
    for piece in sent.chunks(1) {
        let mut piece = piece;
        while let Some(observation) = observer.watch(&mut piece, Duration::ZERO).unwrap() {
            let to = if observation.hold {
                &mut held
            } else {
                &mut forwarded
            };
            to.extend(observation.bytes);
            if let Some(Seen::Message { payload, .. }) = observation.seen {
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
fn message_is_held_and_dropped_as_a_whole() {
    let sent = b"\x81\x02hi\x01\x02ev\x80\x02il\x81\x01!";
    assert_eq!(
        forwarded(MessageDecoding::All, sent),
        b"\x81\x02hi\x81\x01!"
    );
    assert_eq!(
        forwarded(MessageDecoding::None, sent),
        sent,
        "without decoding"
    );
}

#[test]
fn ping_between_fragments_overtakes_the_message() {
    let sent = b"\x01\x02go\x89\x01p\x80\x02od";
    let overtaken = b"\x89\x01p\x01\x02go\x80\x02od";
    assert_eq!(forwarded(MessageDecoding::All, sent), overtaken);
}

#[test]
fn only_decoded_messages_are_held() {
    let sent = b"\x02\x02ev\x80\x02il\x82\x00\x89\x00";
    assert_eq!(forwarded(MessageDecoding::Text, sent), sent);
    assert_eq!(forwarded(MessageDecoding::All, sent), b"\x82\x00\x89\x00");
}

#[test]
fn message_reports_its_offset() {
    let mut observer = observer(Limits::new(), MessageDecoding::Text);
    let sent = b"\x82\x01b\x01\x01h\x89\x00\x80\x01o";
    let mut offsets = Vec::new();
    for piece in sent.chunks(1) {
        let mut piece = piece;
        while let Some(observation) = observer.watch(&mut piece, Duration::ZERO).unwrap() {
            if let Some(Seen::Message { offset, .. }) = observation.seen {
                offsets.push(offset);
            }
        }
    }
    assert_eq!(offsets, [3]);
}

/// A proxy that sends pings drops the pongs that answer them.
#[test]
fn pong_can_be_dropped_however_it_is_cut() {
    let sent = b"\x8a\x04mine\x01\x01h\x8a\x05yours\x80\x01o\x8a\x04mine";
    let mut observer = observer(Limits::new(), MessageDecoding::None);
    let (mut pong, mut forwarded) = (Vec::new(), Vec::<u8>::new());
    for piece in sent.chunks(1) {
        let mut piece = piece;
        while let Some(observation) = observer.watch(&mut piece, Duration::ZERO).unwrap() {
            let to = match observation.opcode {
                Opcode::Pong => &mut pong,
                _ => &mut forwarded,
            };
            to.extend(observation.bytes);
            if let Some(Seen::Pong(payload)) = observation.seen {
                if payload != b"mine" {
                    forwarded.extend(&pong);
                }
                pong.clear();
            }
        }
    }
    assert_eq!(forwarded, b"\x01\x01h\x8a\x05yours\x80\x01o");
}
