//! Each limit refuses one more than allowed, and no less.

use std::time::Duration;

use gabion_frames::{CloseCode, Kind, Limits, MessageDecoding, Rate};

use crate::{observer, violation, watch_at};

const SECOND: Duration = Duration::from_secs(1);
const TWO: Rate = Rate {
    per_second: 1,
    burst: 2,
};

#[test]
fn messages_have_a_rate_and_fragments_count_once() {
    let mut observer = observer(Limits::new().with_messages(TWO), MessageDecoding::None);
    let message = b"\x01\x00\x89\x00\x00\x00\x80\x00";
    for at in [Duration::ZERO, Duration::ZERO, SECOND, 2 * SECOND] {
        assert_eq!(watch_at(&mut observer, message, at), Ok(()));
    }
    let early = Duration::from_nanos(2_999_999_999);
    let refused = watch_at(&mut observer, message, early).unwrap_err();
    assert_eq!(refused.kind(), Kind::Messages(TWO));
    assert_eq!(refused.code(), CloseCode::POLICY);
}

#[test]
fn control_frames_have_a_rate_and_messages_do_not_count() {
    let mut observer = observer(Limits::new().with_controls(TWO), MessageDecoding::None);
    assert_eq!(violation(&mut observer, &b"\x81\x00".repeat(9)), None);
    assert_eq!(violation(&mut observer, b"\x89\x00\x8a\x00"), None);
    assert_eq!(violation(&mut observer, b"\x81\x00"), None);
    let refused = violation(&mut observer, b"\x8a\x00");
    assert_eq!(refused, Some(Kind::Controls(TWO)));
}

#[test]
fn bytes_of_all_frames_have_a_rate() {
    let rate = Rate {
        per_second: 10,
        burst: 20,
    };
    let mut observer = observer(Limits::new().with_bytes(rate), MessageDecoding::None);
    let frame = b"\x82\x0a0123456789";
    assert_eq!(violation(&mut observer, frame), None);
    assert_eq!(violation(&mut observer, b"\x89\x0a0123456789"), None);
    assert_eq!(watch_at(&mut observer, frame, SECOND), Ok(()));
    let refused = watch_at(&mut observer, b"\x81\x01!", SECOND).unwrap_err();
    assert_eq!(refused.kind(), Kind::Bytes(rate));
}

#[test]
fn time_that_goes_back_adds_no_tokens() {
    let mut observer = observer(Limits::new().with_messages(TWO), MessageDecoding::None);
    for at in [SECOND, Duration::ZERO] {
        assert_eq!(watch_at(&mut observer, b"\x81\x00", at), Ok(()));
    }
    assert!(watch_at(&mut observer, b"\x81\x00", SECOND).is_err());
}

#[test]
fn message_has_a_deadline_and_idle_time_has_none() {
    let limits = Limits::new().with_message_time(10 * SECOND);
    let mut observer = observer(limits, MessageDecoding::None);
    assert_eq!(watch_at(&mut observer, b"\x81\x00", SECOND), Ok(()));
    assert_eq!(observer.deadline(), None);
    assert_eq!(observer.overdue(1_000 * SECOND), Ok(()));

    // One byte per second, with pings in between, without an end.
    assert_eq!(watch_at(&mut observer, b"\x01", 1_000 * SECOND), Ok(()));
    assert_eq!(observer.deadline(), Some(1_010 * SECOND));
    assert_eq!(watch_at(&mut observer, b"\x00", 1_009 * SECOND), Ok(()));
    assert_eq!(watch_at(&mut observer, b"\x89\x00", 1_010 * SECOND), Ok(()));
    assert_eq!(observer.deadline(), Some(1_010 * SECOND));
    let late = 1_010 * SECOND + Duration::from_nanos(1);
    let refused = observer.overdue(late).unwrap_err();
    assert_eq!(refused.kind(), Kind::TooSlow(10 * SECOND));
    assert_eq!(refused.code(), CloseCode::POLICY);
    assert_eq!(watch_at(&mut observer, b"\x80\x00", late), Err(refused));
}

#[test]
fn incomplete_ping_has_a_deadline() {
    let limits = Limits::new().with_message_time(SECOND);
    let mut observer = observer(limits, MessageDecoding::None);
    assert_eq!(violation(&mut observer, b"\x89\x02h"), None);
    assert_eq!(observer.deadline(), Some(SECOND));
    assert_eq!(watch_at(&mut observer, b"i", SECOND), Ok(()));
    assert_eq!(observer.deadline(), None);
    assert_eq!(watch_at(&mut observer, b"\x88\x00", SECOND), Ok(()));
    assert_eq!(observer.deadline(), None);
}

#[test]
fn maximum_message_time_disables_the_deadline() {
    let limits = Limits::new().with_message_time(Duration::MAX);
    let mut observer = observer(limits, MessageDecoding::None);
    assert_eq!(watch_at(&mut observer, b"\x01", SECOND), Ok(()));
    assert_eq!(observer.deadline(), None);
    assert_eq!(observer.overdue(Duration::MAX), Ok(()));
}

#[test]
fn sizes_and_fragments_are_limited_with_and_without_decoding() {
    for decoding in [MessageDecoding::None, MessageDecoding::All] {
        let found = |sent: &[u8]| {
            let limits = Limits::new()
                .with_max_frame(3)
                .with_max_message(5)
                .with_max_fragments(2);
            violation(&mut observer(limits, decoding), sent)
        };
        assert_eq!(found(b"\x82\x03abc\x89\x04ping"), None);
        let too_big = Kind::FrameTooBig { bytes: 4, limit: 3 };
        assert_eq!(found(b"\x82\x04"), Some(too_big));
        assert_eq!(found(b"\x02\x03abc\x80\x02de\x82\x03abc"), None);
        let too_big = Kind::MessageTooBig { bytes: 6, limit: 5 };
        assert_eq!(found(b"\x02\x03abc\x80\x03"), Some(too_big));
        assert_eq!(found(b"\x02\x00\x89\x00\x80\x00\x02\x00"), None);
        assert_eq!(
            found(b"\x02\x00\x00\x00\x00\x00"),
            Some(Kind::TooManyFragments(2))
        );
    }
}
