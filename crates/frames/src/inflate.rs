//! Inflating messages (RFC 7692, 7.2.2).

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use crate::{Kind, Limits};

/// What one side's compressed messages refer back to: some 43 KiB, made at the first of them.
///
/// The window is of 32 KiB, whatever was negotiated: a larger one reads all that a smaller one does.
pub(crate) struct Inflater(Decompress);

/// How much room is made at a time.
const ROOM: usize = 16 << 10;

/// What every message's last block is followed by, and what is therefore not sent.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

impl Inflater {
    /// Adds to `out` what `sent` was before it was compressed, and never more than the limits allow.
    ///
    /// A message may hold one final block, with what follows it read as a new stream; no compressor
    /// makes more, and each costs a new window.
    pub(crate) fn inflate(
        &mut self,
        mut sent: Vec<u8>,
        out: &mut Vec<u8>,
        limits: &Limits,
    ) -> Result<(), Kind> {
        let from = sent.len() as u64;
        let by_ratio = from.saturating_mul(limits.max_ratio);
        let by_ratio = by_ratio.max(limits.ratio_floor);
        let limit = by_ratio.min(limits.max_message);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        sent.extend(TAIL);
        let mut rest = &*sent;
        let mut ended = false;
        loop {
            // One more than is allowed, so that too much can be told from just enough.
            let room = most.saturating_add(1).saturating_sub(out.len());
            out.reserve_exact(room.min(ROOM.max(out.len())));
            let (read, written) = (self.0.total_in(), out.len());
            let status = self
                .0
                .decompress_vec(rest, out, FlushDecompress::Sync)
                .map_err(|_| Kind::NotDeflate)?;
            let read = usize::try_from(self.0.total_in() - read).unwrap_or(usize::MAX);
            rest = rest.get(read..).unwrap_or_default();
            if out.len() > most {
                return Err(if by_ratio < limits.max_message {
                    Kind::Inflates { from, limit }
                } else {
                    Kind::MessageTooBig {
                        bytes: limit.saturating_add(1),
                        limit,
                    }
                });
            }
            match status {
                Status::StreamEnd if ended => return Err(Kind::NotDeflate),
                Status::StreamEnd => {
                    ended = true;
                    self.0.reset(false);
                }
                Status::Ok | Status::BufError => {
                    let idle = read == 0 && out.len() == written;
                    if rest.is_empty() && out.len() < out.capacity() {
                        return Ok(());
                    }
                    if idle {
                        return Err(Kind::NotDeflate);
                    }
                }
            }
        }
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self(Decompress::new(false))
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}
