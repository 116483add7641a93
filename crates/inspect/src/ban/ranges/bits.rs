//! Addresses as integers, so that a network is an interval.

use super::records::Number;

/// An address as an integer, or the leading half of an IPv6 address.
///
/// `bits` is a prefix length, at most the width of the integer. The head of an address is its leading
/// `head_bits` bits: at least [`Self::LENGTH_BITS`], but fewer than all.
pub(super) trait Bits: Number {
    /// The number of bits needed to store a prefix length.
    const LENGTH_BITS: u32;

    /// Returns the first address of the network of this address with prefix length `bits`.
    fn first(self, bits: u8) -> Self;

    /// Returns the last address of the network of this address with prefix length `bits`.
    fn last(self, bits: u8) -> Self;

    /// Returns the following address, or `None` at the end of the address space.
    fn next(self) -> Option<Self>;

    /// Returns the head.
    fn head(self, head_bits: u32) -> usize;

    /// Returns the first address with the given head.
    fn with_head(head: usize, head_bits: u32) -> Self;

    /// Returns the key of a network that begins at this address: the bits after the head, followed by
    /// the prefix length.
    fn key(self, head_bits: u32, bits: u8) -> Self;

    /// Returns the largest key of any network that begins at this address.
    fn last_key(self, head_bits: u32) -> Self;

    /// Returns the prefix length stored in a key.
    fn length(self) -> u8;

    /// Returns `true` if the addresses of two keys with the same head share their first `bits`
    /// bits, including the head.
    fn shares(self, other: Self, bits: u8) -> bool;
}

macro_rules! impl_bits {
    ($number:ty, $length_bits:literal) => {
        impl Bits for $number {
            const LENGTH_BITS: u32 = $length_bits;

            fn first(self, bits: u8) -> Self {
                self & !Self::MAX.checked_shr(bits.into()).unwrap_or(0)
            }

            fn last(self, bits: u8) -> Self {
                self | Self::MAX.checked_shr(bits.into()).unwrap_or(0)
            }

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn head(self, head_bits: u32) -> usize {
                usize::try_from(self >> (Self::BITS - head_bits)).unwrap_or(usize::MAX)
            }

            fn with_head(head: usize, head_bits: u32) -> Self {
                let head = Self::try_from(head).unwrap_or(Self::MAX);
                head << (Self::BITS - head_bits)
            }

            fn key(self, head_bits: u32, bits: u8) -> Self {
                self << head_bits >> (head_bits - $length_bits) | Self::from(bits)
            }

            fn last_key(self, head_bits: u32) -> Self {
                self << head_bits >> (head_bits - $length_bits) | Self::mask($length_bits)
            }

            fn length(self) -> u8 {
                u8::try_from(self & Self::mask($length_bits)).unwrap_or(u8::MAX)
            }

            fn shares(self, other: Self, bits: u8) -> bool {
                let host_bits = Self::BITS - u32::from(bits);
                let differing = (self ^ other).checked_shr($length_bits + host_bits);
                differing.is_none_or(|differing| differing == 0)
            }
        }
    };
}

impl_bits!(u32, 6);
impl_bits!(u64, 7);
impl_bits!(u128, 8);
