//! A compressor for WebSocket messages.

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
};

/// Compresses the messages of one sender with context takeover: each may refer to those before it
/// (RFC 7692, 7.2.1).
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
