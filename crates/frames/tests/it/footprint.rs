//! Memory and allocations of an observer.

use std::{sync::Arc, time::Duration};

use gabion_frames::{Limits, MessageDecoding, Negotiated, Observer, Role};

use crate::{observer, watch_at};

/// 125 bytes of it hold the payload of a control frame, which must be unmasked.
#[test]
fn an_observer_is_small() {
    assert!(size_of::<Observer>() <= 256, "{}", size_of::<Observer>());
}

#[test]
fn watching_without_decoding_does_not_allocate() {
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
    assert_eq!(counted.count_total, 0);
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
