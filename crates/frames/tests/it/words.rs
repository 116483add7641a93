//! What is said of closes and violations can be read.

use gabion_frames::{CloseCode, Depth, Limits, encode};

use crate::{observer, watch_at};

#[test]
fn every_code_has_words_and_those_of_the_wire_are_told_apart() {
    let sent = |code| CloseCode::new(code).may_be_sent();
    let of_the_wire: Vec<_> = (0..=u16::MAX).filter(|code| sent(*code)).collect();
    let expected: Vec<_> = [1000, 1001, 1002, 1003]
        .into_iter()
        .chain(1007..=1014)
        .chain(3000..=4999)
        .collect();
    assert_eq!(of_the_wire, expected);
    for code in of_the_wire {
        let words = CloseCode::new(code).words();
        assert_ne!(words, CloseCode::new(0).words(), "{code}");
    }
    assert!(CloseCode::RESTART.words().contains("restart"));
    assert!(!CloseCode::ABNORMAL.may_be_sent());
}

#[test]
fn a_violation_says_what_and_where() {
    let mut observer = observer(Limits::new(), Depth::Headers);
    let sent = b"\x81\x02hi\xe2\x00";
    let found = watch_at(&mut observer, sent, std::time::Duration::ZERO).unwrap_err();
    assert_eq!(
        found.to_string(),
        "reserved bits 110 that nobody negotiated (in the frame at byte 4)"
    );
}

#[test]
fn a_reason_is_cut_between_characters() {
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
fn frames_are_written_as_rfc_6455_shows_them() {
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
        "126 bytes do not fit into a control frame, which holds 125"
    );
}
