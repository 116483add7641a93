//! Decompression of messages (RFC 7692, 7.2.2).

use std::fmt;

use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF},
    },
};

use crate::{Kind, Limits};

/// The decompression state of one side: 11 KiB, and up to 32 KiB of window.
///
/// A smaller window may have been negotiated; this one decodes those streams too.
#[derive(Default)]
pub(crate) struct Inflater {
    state: DecompressorOxide,
    window: Vec<u8>,
}

/// The maximum distance of a back-reference (RFC 1951, 2).
const WINDOW: usize = 32 << 10;

/// The initial growth of the output buffer; it doubles.
const ROOM: usize = 4 << 10;

/// The end of every message's last block, which senders omit.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// The output follows the window in one buffer, so that a back-reference before either is an error
/// and not read as zeros.
const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;

impl Inflater {
    /// Inflates the compressed bytes `sent`, within the limits.
    ///
    /// A message may contain one final block and a stream after it (RFC 7692, 7.2.3.4); no
    /// compressor produces more.
    pub(crate) fn inflate(&mut self, sent: &[u8], limits: &Limits) -> Result<Vec<u8>, Kind> {
        let from = sent.len() as u64;
        let by_ratio = limits
            .ratio_floor
            .max(from.saturating_mul(limits.max_ratio));
        let limit = by_ratio.min(limits.max_message);
        let before = self.window.len();
        // One byte more than allowed, to distinguish too much from exactly enough.
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let most = most.saturating_add(before).saturating_add(1);

        let (mut rest, mut tail) = (sent, Some(&TAIL[..]));
        let mut out = self.window.clone();
        let (mut end, mut ended) = (before, false);
        loop {
            let (status, read, written) = decompress(&mut self.state, rest, &mut out, end, FLAGS);
            rest = rest.get(read..).unwrap_or_default();
            end += written;
            match status {
                _ if end >= most && by_ratio < limits.max_message => {
                    return Err(Kind::Inflates { from, limit });
                }
                _ if end >= most => {
                    let bytes = limit.saturating_add(1);
                    return Err(Kind::MessageTooBig { bytes, limit });
                }
                TINFLStatus::HasMoreOutput => {
                    let room = ROOM.max(end - before);
                    let len = end.saturating_add(room).min(most);
                    out.reserve_exact(len.saturating_sub(end));
                    out.resize(len, 0);
                }
                TINFLStatus::Done if !ended => {
                    ended = true;
                    self.state.init();
                }
                TINFLStatus::NeedsMoreInput => match tail.take() {
                    Some(tail) => rest = tail,
                    None => break,
                },
                _ => return Err(Kind::NotDeflate),
            }
        }
        out.truncate(end);
        let window = out.get(end.saturating_sub(WINDOW)..);
        self.window = window.unwrap_or_default().to_vec();
        // A copy of the right size, since the buffer has room for the window and more.
        Ok(out.split_off(before))
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("window", &self.window.len())
            .finish_non_exhaustive()
    }
}
