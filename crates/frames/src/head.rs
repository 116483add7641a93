//! Frame headers (RFC 6455, 5.2).

use crate::{Kind, Opcode};

/// The side of a WebSocket that sends the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a WebSocket has two sides")]
pub enum Role {
    /// The client: its frames are masked (RFC 6455, 5.1).
    Client,
    /// The server: its frames are not masked.
    Server,
}

/// A complete frame header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) opcode: Opcode,
    pub(crate) fin: bool,
    pub(crate) compressed: bool,
    pub(crate) len: u64,
    /// Zero if the frame is not masked; unmasking with zero changes nothing.
    pub(crate) key: [u8; 4],
}

/// A frame header under assembly.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PartialHead {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

/// Length encodings: in the second byte alone, or in two or eight bytes after it.
const IN_TWO: u8 = 126;
const IN_EIGHT: u8 = 127;

impl PartialHead {
    /// Two bytes, eight of length, four of the key.
    const MAX_LEN: usize = 14;

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The opcode in the first byte.
    pub(crate) fn opcode(&self) -> Result<Opcode, Kind> {
        let bits = self.first() & 0x0F;
        Opcode::new(bits).ok_or(Kind::ReservedOpcode(bits))
    }

    /// The first reserved bit, which marks a compressed message (RFC 7692, 6).
    pub(crate) const fn compressed(&self) -> bool {
        self.first() & 0x40 != 0
    }

    /// Adds a byte, and returns the header when it is complete.
    ///
    /// # Errors
    ///
    /// Fails as soon as one of the first two bytes violates the protocol, or if the length is not
    /// minimally encoded or has its highest bit set.
    pub(crate) fn push(
        &mut self,
        byte: u8,
        role: Role,
        compression: bool,
    ) -> Result<Option<Head>, Kind> {
        if let Some(slot) = self.bytes.get_mut(usize::from(self.len)) {
            *slot = byte;
            self.len += 1;
        }
        // Each of the first two bytes is checked once, when it arrives.
        match self.len {
            0 | 1 => return self.check_first(compression).map(|_| None),
            2 => self.check_second(role)?,
            _ => {}
        }
        self.whole(self.opcode()?)
    }

    const fn first(&self) -> u8 {
        let [first, ..] = self.bytes;
        first
    }

    const fn second(&self) -> u8 {
        let [_, second, ..] = self.bytes;
        second
    }

    fn check_first(&self, compression: bool) -> Result<Opcode, Kind> {
        let first = self.first();
        let opcode = self.opcode()?;
        let begins_message = matches!(opcode, Opcode::Text | Opcode::Binary);
        let allowed = if compression && begins_message {
            0x40
        } else {
            0
        };
        let reserved = first & 0x70 & !allowed;
        if reserved != 0 {
            return Err(Kind::ReservedBits(reserved >> 4));
        }
        if opcode.is_control() && first & 0x80 == 0 {
            return Err(Kind::FragmentedControl(opcode));
        }
        Ok(opcode)
    }

    fn check_second(&self, role: Role) -> Result<(), Kind> {
        match (role, self.second() & 0x80 != 0) {
            (Role::Client, false) => Err(Kind::Unmasked),
            (Role::Server, true) => Err(Kind::Masked),
            _ => Ok(()),
        }
    }

    /// The header, if all its bytes have arrived.
    fn whole(&self, opcode: Opcode) -> Result<Option<Head>, Kind> {
        let [first, second, rest @ ..] = &self.bytes;
        let (len_size, least) = match second & 0x7F {
            IN_TWO => (2, 126),
            IN_EIGHT => (8, 1 << 16),
            _ => (0, 0),
        };
        let key_size = if second & 0x80 == 0 { 0 } else { 4 };
        if usize::from(self.len) < 2 + len_size + key_size {
            return Ok(None);
        }
        let (encoded, rest) = rest.split_at_checked(len_size).unwrap_or_default();
        let len = match len_size {
            0 => u64::from(second & 0x7F),
            _ => encoded
                .iter()
                .fold(0, |len, &byte| len << 8 | u64::from(byte)),
        };
        if len >> 63 != 0 {
            return Err(Kind::LengthTooHigh(len));
        }
        if len < least {
            return Err(Kind::LengthNotMinimal(len));
        }
        if opcode.is_control() && len > 125 {
            return Err(Kind::ControlTooLong(opcode));
        }
        let key = rest.first_chunk().filter(|_| key_size == 4);
        Ok(Some(Head {
            opcode,
            fin: first & 0x80 != 0,
            compressed: self.compressed(),
            len,
            key: key.copied().unwrap_or_default(),
        }))
    }
}

/// Unmasks `bytes`, which begin at offset `from` of their frame's payload.
pub(crate) fn unmask(bytes: &mut [u8], mut key: [u8; 4], from: u64) {
    if key == [0; 4] {
        return;
    }
    key.rotate_left((from % 4) as usize);
    let (fours, rest) = bytes.as_chunks_mut::<4>();
    for four in fours {
        *four = (u32::from_ne_bytes(*four) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}
