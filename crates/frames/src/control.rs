//! Control frames (RFC 6455, 5.5): at most 125 bytes, never fragmented, always decoded.

use std::str;

use crate::{CloseCode, Kind, Opcode, head};

/// A control frame under assembly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    pub(crate) opcode: Opcode,
    key: [u8; 4],
    /// Invariant: `len <= whole <= 125`.
    whole: u8,
    len: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl Control {
    const MAX_LEN: usize = 125;

    pub(crate) fn new(head: &head::Head) -> Self {
        Self {
            opcode: head.opcode,
            key: head.key,
            whole: u8::try_from(head.len).unwrap_or(0).min(125),
            len: 0,
            bytes: [0; Self::MAX_LEN],
        }
    }

    /// The number of bytes still to come.
    pub(crate) const fn left(&self) -> usize {
        self.whole.saturating_sub(self.len) as usize
    }

    /// Adds bytes, at most [`Self::left`] of them. Unmasks the payload when it is complete.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let free = self.bytes.iter_mut().skip(usize::from(self.len));
        for (slot, byte) in free.zip(bytes) {
            *slot = *byte;
            self.len += 1;
        }
        if self.left() == 0 {
            let (payload, _) = self.bytes.split_at_mut(usize::from(self.len));
            head::unmask(payload, self.key, 0);
        }
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The code and the reason of a complete close frame.
    pub(crate) fn close(&self) -> Result<(Option<CloseCode>, &str), Kind> {
        match self.payload() {
            [] => Ok((None, "")),
            [_] => Err(Kind::HalfCloseCode),
            [high, low, reason @ ..] => {
                let code = CloseCode::new(u16::from_be_bytes([*high, *low]));
                if !code.may_be_sent() {
                    return Err(Kind::BadCloseCode(code));
                }
                let reason = str::from_utf8(reason).map_err(|_| Kind::ReasonNotUtf8)?;
                Ok((Some(code), reason))
            }
        }
    }
}
