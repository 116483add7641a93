//! Memory and allocations of an observer.

use std::{sync::Arc, time::Duration};

use gabion_frames::{Limits, MessageDecoding, Negotiated, Observer, Role};

use crate::{observer, watch_at};

/// An idle WebSocket through a proxy has three or four.
#[test]
fn an_observer_is_small() {
    assert!(size_of::<Observer>() <= 224, "{}", size_of::<Observer>());
}

/// The payload of a control frame must be unmasked.
#[test]
fn watching_without_decoding_allocates_for_control_frames_only() {
    let deflate = Negotiated::from_header([&b"permessage-deflate"[..]]).unwrap();
    let limits = Arc::new(Limits::new());
    let sent = [
        &b"\x01\x85abcdABCDE\x89\x84abcdping\x80\x80abcd"[..],
        b"\xc2\x83abcdzip\x82\xfe\x00\x80abcd",
        &[7; 128],
        b"\x88\x82abcd\x62\x8a",
    ]
    .concat();
    let mut observer = Observer::new(Role::Client, limits, deflate, MessageDecoding::None);
    let counted = allocation_counter::measure(|| {
        for piece in sent.chunks(5) {
            assert_eq!(watch_at(&mut observer, piece, Duration::ZERO), Ok(()));
        }
    });
    // A ping and a close frame.
    assert_eq!((counted.count_total, counted.count_current), (2, 0));
    assert!(counted.bytes_max <= 144, "{}", counted.bytes_max);
    assert_eq!(observer.offset(), sent.len() as u64);
}

#[test]
fn memory_of_a_message_is_freed_when_it_ends() {
    let mut observer = observer(Limits::new(), MessageDecoding::All);
    let counted = allocation_counter::measure(|| {
        let sent = [&b"\x82\x7e\xff\xff"[..], &vec![7; 0xFFFF]].concat();
        assert_eq!(watch_at(&mut observer, &sent, Duration::ZERO), Ok(()));
    });
    assert!(counted.bytes_max > 2 * 0xFFFF);
    assert_eq!(counted.bytes_current, 0);
}
