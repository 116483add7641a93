//! The next position for an inserted frame is known at every byte.

use gabion_frames::{Limits, MessageDecoding};

use crate::{observer, violation};

#[test]
fn bytes_to_the_next_boundary_are_counted_down() {
    let mut observer = observer(Limits::new(), MessageDecoding::None);
    assert_eq!(observer.boundary(), Some(0));
    let counted: Vec<_> = b"\x01\x02hi\x89\x01p\x80\x7e\x00\x80"
        .iter()
        .map(|byte| {
            assert_eq!(violation(&mut observer, &[*byte]), None);
            (observer.boundary(), observer.in_message())
        })
        .collect();
    assert_eq!(
        counted,
        [
            (None, false), // inside a header
            (Some(2), true),
            (Some(1), true),
            (Some(0), true), // a ping may be inserted here, a message may not
            (None, true),
            (Some(1), true),
            (Some(0), true),
            (None, true),
            (None, true),
            (None, true),
            (Some(128), true),
        ]
    );
    assert_eq!(violation(&mut observer, &[0; 128]), None);
    assert_eq!(observer.boundary(), Some(0));
    assert!(!observer.in_message());
    assert_eq!(observer.offset(), 11 + 128);
}

#[test]
fn after_a_violation_a_close_may_follow_complete_frames_only() {
    let boundary = |decoding, pieces: &[&[u8]]| {
        let mut observer = observer(Limits::new(), decoding);
        let found = pieces
            .iter()
            .find_map(|piece| violation(&mut observer, piece));
        assert!(found.is_some());
        observer.boundary()
    };
    // In the header's first slice, no bytes of the frame were returned; in its second, half of it
    // was.
    assert_eq!(
        boundary(MessageDecoding::None, &[b"\x81\x01a\x83\x00"]),
        Some(0)
    );
    assert_eq!(
        boundary(MessageDecoding::None, &[b"\x81\x01a\x81", b"\x81"]),
        None
    );
    // If the message is held, its header is held too.
    assert_eq!(
        boundary(MessageDecoding::Text, &[b"\x81\x01a\x81", b"\x81"]),
        Some(0)
    );
    assert_eq!(
        boundary(MessageDecoding::Text, &[b"\x81\x04a", b"\xff"]),
        Some(0)
    );
    assert_eq!(
        boundary(MessageDecoding::Text, &[b"\x88\x02\x03", b"\xed"]),
        None
    );
    assert_eq!(
        boundary(MessageDecoding::Text, &[b"\x88\x00", b"\x88"]),
        Some(0)
    );
}

#[test]
fn violation_is_permanent_and_has_the_frame_offset() {
    let mut observer = observer(Limits::new(), MessageDecoding::None);
    let mut sent: &[u8] = b"\x81\x01a\x83\x00";
    let found = loop {
        match observer.watch(&mut sent, std::time::Duration::ZERO) {
            Ok(observation) => assert!(observation.is_some()),
            Err(violation) => break violation,
        }
    };
    assert_eq!(found.offset(), 3);
    assert_eq!(sent, b"\x83\x00", "the violating bytes are not consumed");
    let again = observer.watch(&mut &b"\x81\x01a"[..], std::time::Duration::ZERO);
    assert_eq!(again.err(), Some(found));
    assert_eq!(observer.overdue(std::time::Duration::MAX), Err(found));
}
