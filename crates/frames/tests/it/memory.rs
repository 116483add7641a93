//! Observers that share a budget use no more memory than it permits, and return all of it.

use std::{sync::Arc, time::Duration};

use gabion_frames::{
    BudgetedBuffer, BufferBudget, CloseCode, Kind, Limits, MessageDecoding, Negotiated, Observer,
    Role,
};
use proptest::{collection::vec, prelude::*};

use crate::{observer, violation};

const OBSERVERS: usize = 6;

/// The beginning of a message, its middle, or its end; a ping, a whole message, or another frame.
fn first_byte() -> impl Strategy<Value = u8> {
    prop::sample::select(vec![0x01, 0x02, 0x00, 0x00, 0x80, 0x89, 0x82, 0xC2, 0x88])
}

/// A server's frame of zeros, and the number of its bytes that arrive.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    (first_byte(), 0_usize..9_000, any::<bool>()).prop_map(|(first, len, is_cut)| {
        let len = if first & 8 == 0 { len } else { len % 100 };
        let mut frame = vec![first];
        match u8::try_from(len) {
            Ok(len @ ..126) => frame.push(len),
            _ => frame.extend([&[126], &u16::try_from(len).unwrap().to_be_bytes()[..]].concat()),
        }
        frame.resize(frame.len() + if is_cut { len / 2 } else { len }, 0);
        frame
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn budget_bounds_all_observers_and_is_empty_after_them(
        sent in vec((0..OBSERVERS, frame()), 0..40),
        limit in 0_u64..60_000,
        decoding in prop::sample::select(vec![MessageDecoding::Text, MessageDecoding::All]),
    ) {
        let budget = Arc::new(BufferBudget::default());
        let limits = Arc::new(Limits::new().with_budget(Arc::clone(&budget), limit));
        let deflate = Negotiated::from_header([&b"permessage-deflate"[..]]).unwrap();
        let new = || Observer::new(Role::Server, Arc::clone(&limits), deflate, decoding);
        let mut observers: Vec<_> = (0..OBSERVERS).map(|_| new()).collect();
        for (index, frame) in sent {
            let mut rest = &*frame;
            let refused = loop {
                match observers[index].watch(&mut rest, Duration::ZERO) {
                    Ok(Some(_)) => {}
                    Ok(None) => break None,
                    Err(violation) => break Some(violation.kind()),
                }
            };
            let small = OBSERVERS as u64 * BudgetedBuffer::NEVER_REFUSED;
            prop_assert!(budget.used() <= limit + small, "{} of {limit}", budget.used());
            if let Some(kind) = refused {
                if let Kind::BuffersFull { limit: named } = kind {
                    prop_assert_eq!(named, limit);
                }
                // A session ends after a violation, and another begins.
                observers[index] = new();
            }
        }
        drop(observers);
        prop_assert_eq!(budget.used(), 0);
    }
}

#[test]
fn message_beyond_the_budget_is_refused_and_its_memory_is_free_again() {
    let budget = Arc::new(BufferBudget::default());
    let limits = Limits::new().with_budget(Arc::clone(&budget), 20_000);
    let new = || observer(limits.clone(), MessageDecoding::All);
    let fragment = [&b"\x02\x7e\x27\x10"[..], &[7; 10_000]].concat();
    let (mut first, mut second, mut third) = (new(), new(), new());
    assert_eq!(violation(&mut first, &fragment), None);
    assert_eq!(budget.used(), 10_000);
    assert_eq!(violation(&mut second, &fragment), None);
    let refused = violation(&mut third, &fragment);
    let full = Kind::BuffersFull { limit: 20_000 };
    assert_eq!(refused, Some(full));
    assert_eq!(full.code(), CloseCode::TRY_LATER);
    let small = [&b"\x82\x7e\x10\x00"[..], &[7; 4096]].concat();
    assert_eq!(violation(&mut new(), &small), None, "small messages pass");
    // The rest of the first message does not fit either, and its memory is free then.
    assert_eq!(violation(&mut first, b"\x80\x01!"), Some(full));
    assert_eq!(violation(&mut second, b"\x80\x01!"), None);
    assert_eq!(budget.used(), 0, "the next call frees the message");
}
