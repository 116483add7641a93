//! Frames made by hand, as a client sends them.

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
};

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;

/// The first frame of a text that goes on, one amid it, and its last.
pub(crate) const BEGIN: u8 = 0x01;
pub(crate) const AMID: u8 = 0x00;
pub(crate) const END: u8 = 0x80;

/// A whole text that is compressed.
pub(crate) const COMPRESSED: u8 = 0xC1;

/// A masked frame of at most 65,535 bytes.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x5a, 0, 0xff, 7];
    let mut frame = vec![first];
    match u16::try_from(payload.len()).unwrap() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len => frame.extend([0xFE, (len >> 8) as u8, len as u8]),
    }
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

/// Compresses messages of one sender, each of which may refer back to those before (RFC 7692, 7.2.1).
pub(crate) struct Deflater(CompressorOxide);

impl Deflater {
    pub(crate) fn new() -> Self {
        let flags = create_comp_flags_from_zip_params(6, -15, 0);
        Self(CompressorOxide::new(flags))
    }

    pub(crate) fn message(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        compress_to_output(&mut self.0, text, TDEFLFlush::Sync, |bytes| {
            out.extend_from_slice(bytes);
            true
        });
        let tail = out.split_off(out.len() - 4);
        assert_eq!(tail, [0, 0, 0xFF, 0xFF]);
        out
    }
}
