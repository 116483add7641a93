//! Addresses as integers, so that a network is an interval.

/// An address as an integer, or the leading half of an IPv6 address.
///
/// `bits` is a prefix length, at most the width of the integer.
pub(super) trait Bits: Copy + Ord {
    /// The number of bits needed to store a prefix length.
    const LENGTH_BITS: u32;

    /// A mask of the lowest [`Self::LENGTH_BITS`] bits.
    const LENGTH: Self;

    /// Returns the last address of the network of this address with prefix length `bits`.
    fn last(self, bits: u8) -> Self;

    /// Returns the following address, or `None` at the end of the address space.
    fn next(self) -> Option<Self>;

    /// Returns the leading `head_bits` bits: at least 1, but fewer than all.
    fn head(self, head_bits: u32) -> usize;

    /// Returns the first address with the given head.
    fn with_head(head: usize, head_bits: u32) -> Self;

    /// Returns the key of a network: the bits after the head, shifted left, with the prefix length
    /// in the bits that this frees. `head_bits` is at least [`Self::LENGTH_BITS`].
    fn key(self, head_bits: u32, bits: u8) -> Self;

    /// Returns the largest key of any network that begins at this address.
    fn last_key(self, head_bits: u32) -> Self;

    /// Returns the prefix length stored in a key.
    fn length(self) -> u8;

    /// Returns `true` if the addresses of two keys with the same head share their first `bits`
    /// bits, including the head.
    fn shares(self, other: Self, head_bits: u32, bits: u8) -> bool;
}

macro_rules! impl_bits {
    ($number:ty, $length_bits:literal) => {
        impl Bits for $number {
            const LENGTH_BITS: u32 = $length_bits;
            const LENGTH: Self = (1 << $length_bits) - 1;

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
                self << head_bits | Self::from(bits)
            }

            fn last_key(self, head_bits: u32) -> Self {
                self << head_bits | Self::LENGTH
            }

            fn length(self) -> u8 {
                u8::try_from(self & Self::LENGTH).unwrap_or(u8::MAX)
            }

            fn shares(self, other: Self, head_bits: u32, bits: u8) -> bool {
                let below = u32::from(bits).saturating_sub(head_bits);
                let differing = (self ^ other).checked_shr(Self::BITS - below);
                differing.is_none_or(|differing| differing == 0)
            }
        }
    };
}

impl_bits!(u32, 6);
impl_bits!(u64, 7);
impl_bits!(u128, 8);
