//! Texts of close codes and violations, and encoded frames.

use gabion_frames::{CloseCode, Limits, MessageDecoding, encode};

use crate::{observer, watch_at};

#[test]
fn every_code_has_a_meaning_and_sendable_codes_are_known() {
    let sent = |code| CloseCode::new(code).may_be_sent();
    let sendable: Vec<_> = (0..=u16::MAX).filter(|code| sent(*code)).collect();
    let expected: Vec<_> = [1000, 1001, 1002, 1003]
        .into_iter()
        .chain(1007..=1014)
        .chain(3000..=4999)
        .collect();
    assert_eq!(sendable, expected);
    for code in sendable {
        let meaning = CloseCode::new(code).meaning();
        assert_ne!(meaning, CloseCode::new(0).meaning(), "{code}");
    }
    assert!(CloseCode::RESTART.meaning().contains("restart"));
    assert!(!CloseCode::ABNORMAL.may_be_sent());
}

#[test]
fn violation_text_has_reason_and_offset() {
    let mut observer = observer(Limits::new(), MessageDecoding::None);
    let sent = b"\x81\x02hi\xe2\x00";
    let found = watch_at(&mut observer, sent, std::time::Duration::ZERO).unwrap_err();
    assert_eq!(
        found.to_string(),
        "reserved bits 110 without a negotiated extension (in the frame at byte 4)"
    );
}

#[test]
fn close_reason_is_truncated_at_a_character_boundary() {
    let reason = "\u{20ac}".repeat(42);
    let frame = encode::close(CloseCode::POLICY, &reason, None);
    assert_eq!(
        frame.as_bytes(),
        [b"\x88\x7d\x03\xf0", &reason.as_bytes()[..123]].concat()
    );
    let reason = format!("a{reason}");
    let frame = encode::close(CloseCode::POLICY, &reason, None);
    assert_eq!(
        frame.as_bytes(),
        [b"\x88\x7b\x03\xf0", &reason.as_bytes()[..121]].concat()
    );
}

#[test]
fn encoded_frames_match_the_examples_of_rfc_6455() {
    assert_eq!(
        encode::ping(b"Hello", None).unwrap().as_bytes(),
        b"\x89\x05Hello"
    );
    let pong = encode::pong(b"Hello", Some([0x37, 0xFA, 0x21, 0x3D])).unwrap();
    assert_eq!(
        pong.as_bytes(),
        b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    );
    let error = encode::ping(&[0; 126], None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a control frame holds at most 125 bytes, not 126"
    );
}
