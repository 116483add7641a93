//! Where a frame may be put in is known at every byte.

use gabion_frames::{Depth, Limits};

use crate::{observer, violation};

#[test]
fn bytes_to_the_next_boundary_are_counted_down() {
    let mut observer = observer(Limits::new(), Depth::Headers);
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
            (None, false), // a head
            (Some(2), true),
            (Some(1), true),
            (Some(0), true), // a ping may come here, a message not
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
fn after_a_violation_a_close_may_follow_whole_frames_only() {
    let boundary = |depth, pieces: &[&[u8]]| {
        let mut observer = observer(Limits::new(), depth);
        let found = pieces
            .iter()
            .find_map(|piece| violation(&mut observer, piece));
        assert!(found.is_some());
        observer.boundary()
    };
    // In the head's first slice, nothing of the frame was handed out; in its second, half of it was.
    assert_eq!(boundary(Depth::Headers, &[b"\x81\x01a\x83\x00"]), Some(0));
    assert_eq!(boundary(Depth::Headers, &[b"\x81\x01a\x81", b"\x81"]), None);
    // Where the message is held, its head is too.
    assert_eq!(boundary(Depth::Text, &[b"\x81\x01a\x81", b"\x81"]), Some(0));
    assert_eq!(boundary(Depth::Text, &[b"\x81\x04a", b"\xff"]), Some(0));
    assert_eq!(boundary(Depth::Text, &[b"\x88\x02\x03", b"\xed"]), None);
    assert_eq!(boundary(Depth::Text, &[b"\x88\x00", b"\x88"]), Some(0));
}

#[test]
fn a_violation_stands_and_names_its_frame() {
    let mut observer = observer(Limits::new(), Depth::Headers);
    let mut sent: &[u8] = b"\x81\x01a\x83\x00";
    let found = loop {
        match observer.watch(&mut sent, std::time::Duration::ZERO) {
            Ok(step) => assert!(step.is_some()),
            Err(violation) => break violation,
        }
    };
    assert_eq!(found.offset(), 3);
    assert_eq!(
        sent, b"\x83\x00",
        "what broke the protocol is not handed out"
    );
    let again = observer.watch(&mut &b"\x81\x01a"[..], std::time::Duration::ZERO);
    assert_eq!(again.err(), Some(found));
    assert_eq!(observer.overdue(std::time::Duration::MAX), Err(found));
}
