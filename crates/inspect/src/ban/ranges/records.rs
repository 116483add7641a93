//! A compact array of keys with positions.

use std::{
    hint::select_unpredictable,
    ops::{BitAnd, Range},
};

/// An array of records, each a key and the position that belongs to it. A number takes as few bytes as
/// the largest one needs.
///
/// Both are next to each other, so that a lookup reads one place in memory.
pub(super) struct Records<K> {
    // Each number begins with its lowest byte. Invariant: padding of one key follows the last record,
    // since a number is read as an entire integer, of which the bytes of the next one are masked.
    bytes: Box<[u8]>,
    key: Field<K>,
    position: Field<u32>,
}

/// Builds [`Records`] in order.
pub(super) struct RecordsBuilder<K> {
    bytes: Vec<u8>,
    key: Field<K>,
    position: Field<u32>,
}

/// An unsigned integer in a record.
pub(super) trait Number: Copy + Ord + BitAnd<Output = Self> {
    /// The width of the integer.
    const BITS: u32;

    /// Returns an integer whose lowest `bits` bits are set: at least 1.
    fn mask(bits: u32) -> Self;

    /// Returns the integer at the start of `bytes`, the lowest byte first, or `None` if it would end
    /// after them.
    fn read(bytes: &[u8]) -> Option<Self>;

    /// Appends the lowest `count` bytes.
    fn write(self, count: usize, to: &mut Vec<u8>);
}

/// The size of a number in a record.
#[derive(Clone, Copy)]
struct Field<N> {
    bytes: usize,
    mask: N,
}

// === impl Records ===

impl<K: Number> Records<K> {
    /// Searches the records numbered `window`, whose keys ascend. Returns the last one whose key is at
    /// most `target`; the first one if there is none; and `None` if the window is empty.
    #[inline]
    pub(super) fn search(&self, window: Range<usize>, target: K) -> Option<(K, u32)> {
        let stride = self.key.bytes + self.position.bytes;
        let (mut start, mut count) = (window.start * stride, window.len());
        if count == 0 {
            return None;
        }
        while count > 1 {
            let half = count / 2;
            let middle = start + half * stride;
            let is_before = self.key(middle)? <= target;
            start = select_unpredictable(is_before, middle, start);
            count -= half;
        }
        Some((self.key(start)?, self.position(start)?))
    }

    /// Returns the size in bytes.
    pub(super) fn memory(&self) -> usize {
        self.bytes.len()
    }

    fn key(&self, start: usize) -> Option<K> {
        let key = K::read(self.bytes.get(start..)?)?;
        Some(key & self.key.mask)
    }

    fn position(&self, start: usize) -> Option<u32> {
        let position = u32::read(self.bytes.get(start + self.key.bytes..)?)?;
        Some(position & self.position.mask)
    }
}

// === impl RecordsBuilder ===

impl<K: Number> RecordsBuilder<K> {
    /// Creates a builder for `count` records, more if necessary, with numbers of at most so many bits.
    pub(super) fn with_capacity(count: usize, key_bits: u32, position_bits: u32) -> Self {
        let (key, position) = (Field::new(key_bits), Field::new(position_bits));
        let stride = key.bytes + position.bytes;
        Self {
            bytes: Vec::with_capacity(count * stride),
            key,
            position,
        }
    }

    pub(super) fn push(&mut self, key: K, position: u32) {
        key.write(self.key.bytes, &mut self.bytes);
        position.write(self.position.bytes, &mut self.bytes);
    }

    pub(super) fn pop(&mut self) {
        let stride = self.key.bytes + self.position.bytes;
        self.bytes.truncate(self.bytes.len().saturating_sub(stride));
    }

    /// Returns the number of records.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() / (self.key.bytes + self.position.bytes)
    }

    pub(super) fn finish(mut self) -> Records<K> {
        self.bytes.resize(self.bytes.len() + size_of::<K>(), 0);
        Records {
            bytes: self.bytes.into(),
            key: self.key,
            position: self.position,
        }
    }
}

// === impl Field ===

impl<N: Number> Field<N> {
    /// Creates a field for numbers of `bits` bits.
    fn new(bits: u32) -> Self {
        let bytes = bits.div_ceil(8).max(1);
        Self {
            bytes: bytes as usize,
            mask: N::mask(bytes * 8),
        }
    }
}

macro_rules! impl_number {
    ($($number:ty)+) => {$(
        impl Number for $number {
            const BITS: u32 = Self::BITS;

            fn mask(bits: u32) -> Self {
                Self::MAX >> (Self::BITS - bits)
            }

            #[inline]
            fn read(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().copied().map(Self::from_le_bytes)
            }

            fn write(self, count: usize, to: &mut Vec<u8>) {
                to.extend(self.to_le_bytes().into_iter().take(count));
            }
        }
    )+};
}

impl_number!(u32 u64 u128);
