//! Messages inflate up to the limits and not beyond.

use std::{sync::Arc, time::Duration};

use gabion_frames::{
    CloseCode, Kind, Limits, MessageDecoding, Negotiated, Observer, Rate, Role, Seen,
};
use miniz_oxide::deflate::{
    CompressionLevel,
    core::{CompressorOxide, TDEFLFlush, TDEFLStatus, compress, create_comp_flags_from_zip_params},
};

use crate::violation;

fn observer(limits: Limits) -> Observer {
    let deflate = Negotiated::from_header([&b"permessage-deflate"[..]]).unwrap();
    Observer::new(
        Role::Server,
        Arc::new(limits),
        deflate,
        MessageDecoding::All,
    )
}

/// The compressor of one side, with its window.
struct Compressor(CompressorOxide);

impl Compressor {
    fn new() -> Self {
        let level = CompressionLevel::DefaultLevel as i32;
        let flags = create_comp_flags_from_zip_params(level, -15, 0);
        Self(CompressorOxide::new(flags))
    }

    /// A message in one frame.
    fn frame(&mut self, message: &[u8]) -> Vec<u8> {
        let mut deflated = vec![0; 2 * message.len() + 64];
        let (status, read, written) =
            compress(&mut self.0, message, &mut deflated, TDEFLFlush::Sync);
        assert_eq!((status, read), (TDEFLStatus::Okay, message.len()));
        deflated.truncate(written);
        assert!(deflated.ends_with(b"\0\0\xff\xff"));
        deflated.truncate(written - 4);
        let len = u64::try_from(deflated.len()).unwrap();
        let mut frame = match len {
            ..126 => vec![0xC2, u8::try_from(len).unwrap()],
            126..65536 => [&[0xC2, 126][..], &len.to_be_bytes()[6..]].concat(),
            _ => [&[0xC2, 127][..], &len.to_be_bytes()].concat(),
        };
        frame.extend(deflated);
        frame
    }
}

/// Text without repetition.
fn numbers(most: usize) -> Vec<u8> {
    let mut text: Vec<_> = (0..most)
        .flat_map(|n| format!("{n} ").into_bytes())
        .collect();
    text.truncate(most);
    text
}

#[test]
fn messages_with_references_across_the_window_are_decoded() {
    let mut compressor = Compressor::new();
    let mut observer = observer(Limits::new());
    // The second and later messages consist of back-references, some of them over 32 KiB.
    let messages = [
        numbers(32_000),
        numbers(700),
        numbers(32_000),
        numbers(200_000),
    ];
    for message in messages {
        let frame = compressor.frame(&message);
        let mut rest = &*frame;
        let mut read = None;
        while let Some(observation) = observer.watch(&mut rest, Duration::ZERO).unwrap() {
            if let Some(Seen::Message { payload, .. }) = observation.seen {
                read = Some(payload.to_vec());
            }
        }
        assert!(read == Some(message), "the message is decoded unchanged");
    }
}

#[test]
fn inflated_message_may_be_as_big_as_the_limit() {
    for most in [10_000, 70_000] {
        let limits = Limits::new().with_max_message(most as u64);
        let frame = Compressor::new().frame(&numbers(most));
        assert_eq!(violation(&mut observer(limits.clone()), &frame), None);
        let frame = Compressor::new().frame(&numbers(most + 1));
        let too_big = Kind::MessageTooBig {
            bytes: most as u64 + 1,
            limit: most as u64,
        };
        assert_eq!(violation(&mut observer(limits), &frame), Some(too_big));
    }
}

#[test]
fn ratio_is_limited_above_its_floor() {
    let limits = || Limits::new().with_max_ratio(10, 1_000);
    let zeros = |most| Compressor::new().frame(&vec![0; most]);
    assert_eq!(violation(&mut observer(limits()), &zeros(1_000)), None);
    let found = violation(&mut observer(limits()), &zeros(1_001)).unwrap();
    assert!(
        matches!(found, Kind::Inflates { limit: 1_000, .. }),
        "{found}"
    );
    assert_eq!(found.code(), CloseCode::TOO_BIG);
    let normal = Compressor::new().frame(&numbers(100_000));
    assert_eq!(violation(&mut observer(limits()), &normal), None);
}

#[test]
fn any_ratio_passes_by_default() {
    // Close to the highest ratio of DEFLATE, 1032.
    let zeros = Compressor::new().frame(&vec![0; 1 << 20]);
    assert!(zeros.len() < (1 << 20) / 1000, "{} bytes", zeros.len());
    assert_eq!(violation(&mut observer(Limits::new()), &zeros), None);
}

#[test]
fn inflated_bytes_count_toward_the_byte_rate() {
    let rate = Rate {
        per_second: 1,
        burst: 25_000,
    };
    for decoding in [MessageDecoding::Text, MessageDecoding::All] {
        let deflate = Negotiated::from_header([&b"permessage-deflate"[..]]).unwrap();
        let limits = Arc::new(Limits::new().with_bytes(rate));
        let mut observer = Observer::new(Role::Server, limits, deflate, decoding);
        let (mut compressor, mut inflated) = (Compressor::new(), Vec::new());
        let mut watch = |message: &[u8]| {
            let frame = compressor.frame(message);
            let mut rest = &*frame;
            while let Some(step) = observer.watch(&mut rest, Duration::ZERO)? {
                inflated.push(step.inflated);
            }
            Ok::<_, gabion_frames::Violation>(
                frame.len() as u64 - if frame.len() < 128 { 2 } else { 4 },
            )
        };
        // Discarded messages are inflated too, since later ones may refer to them.
        let first = watch(&[0; 10_000]).unwrap();
        let second = watch(&numbers(10_000)).unwrap();
        let refused = watch(&[0; 10_000]).unwrap_err();
        assert_eq!(refused.kind(), Kind::Bytes(rate));
        inflated.retain(|grown| *grown > 0);
        assert_eq!(inflated, [10_000 - first, 10_000 - second]);
    }
}

#[test]
fn decompression_bomb_is_not_inflated_beyond_its_limit() {
    let bomb = Compressor::new().frame(&vec![0; 64 << 20]);
    let mut observer = observer(
        Limits::new()
            .with_max_frame(1 << 20)
            .with_max_ratio(u64::MAX, 0),
    );
    let counted = allocation_counter::measure(|| {
        let found = violation(&mut observer, &bomb);
        assert!(
            matches!(found, Some(Kind::MessageTooBig { .. })),
            "{found:?}"
        );
    });
    // The compressed message, and twice the maximum inflated size: the buffer moves as it grows.
    assert!(counted.bytes_max < 5 << 19, "{} bytes", counted.bytes_max);
    assert_eq!(counted.bytes_current, 0, "all memory is freed");
}
