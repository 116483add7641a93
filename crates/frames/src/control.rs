//! Control frames (RFC 6455, 5.5): small, whole in themselves, always read.

use std::str;

use crate::{CloseCode, Kind, Opcode, head};

/// A control frame as far as it has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    pub(crate) opcode: Opcode,
    key: [u8; 4],
    /// Invariant: `len <= whole <= 125`.
    whole: u8,
    len: u8,
    bytes: [u8; Self::MOST],
}

impl Control {
    const MOST: usize = 125;

    pub(crate) fn new(head: &head::Head) -> Self {
        Self {
            opcode: head.opcode,
            key: head.key,
            whole: u8::try_from(head.len).unwrap_or(0).min(125),
            len: 0,
            bytes: [0; Self::MOST],
        }
    }

    /// How many bytes are still to come.
    pub(crate) const fn left(&self) -> usize {
        self.whole.saturating_sub(self.len) as usize
    }

    /// Adds bytes, of which there are no more than are left.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let free = self.bytes.iter_mut().skip(usize::from(self.len));
        for (place, byte) in free.zip(bytes) {
            *place = *byte;
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

    /// The code and the reason, where the frame is a close and whole.
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
