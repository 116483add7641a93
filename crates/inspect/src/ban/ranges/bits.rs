//! Addresses as numbers, so that a network is an interval.

/// An address as a number, or the leading half of one.
///
/// `bits` is the length of a prefix, at most the width of the number.
pub(super) trait Bits: Copy + Ord {
    /// How many bits the length of a prefix takes.
    const LENGTH_BITS: u32;

    /// These bits, the lowest.
    const LENGTH: Self;

    /// The last address of the network around this one.
    fn last(self, bits: u8) -> Self;

    /// The address after this one; `None` at the end of the space.
    fn next(self) -> Option<Self>;

    /// The leading `head_bits`, of which there are some, but not all.
    fn head(self, head_bits: u32) -> usize;

    /// The first address with a head.
    fn with_head(head: usize, head_bits: u32) -> Self;

    /// What follows the head, and in the bits that this frees the length of a prefix. `head_bits`
    /// are [`Self::LENGTH_BITS`] at least.
    fn key(self, head_bits: u32, bits: u8) -> Self;

    /// The key behind all keys of networks that begin at this address.
    fn last_key(self, head_bits: u32) -> Self;

    /// The length of the prefix in a key.
    fn length(self) -> u8;

    /// Whether the addresses in two keys of one head share `bits`, the head's among them.
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
