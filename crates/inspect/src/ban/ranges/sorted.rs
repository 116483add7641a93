//! Networks of one address family as sorted ranges that do not overlap.

use super::{
    bits::Bits,
    range::Range,
    records::{Records, RecordsBuilder},
};

/// Sorted ranges of one address family, each with the position of its network.
///
/// A network that contains another one becomes two or more ranges, so that a lookup is one binary
/// search and never a walk through nested networks. The search is short: the leading bits of an
/// address, its head, select the few ranges that can contain it, a window. A lookup reads a pair of
/// heads and a window, each usually within one cache line.
pub(super) struct Sorted<A> {
    head_bits: u32,
    // Invariant: `heads[h]` is the number of ranges whose heads are below `h`.
    heads: Box<[u32]>,
    // The ranges. The key of each is the bits after the head of its first address, and the prefix
    // length of its network. A range ends at the end of its network or at the next key, whichever is
    // first, and never extends into another window, so no end is stored.
    ranges: Records<A>,
    networks: usize,
}

/// Builds [`Sorted`] from ranges in ascending order.
pub(super) struct SortedBuilder<A> {
    head_bits: u32,
    heads: Vec<u32>,
    ranges: RecordsBuilder<A>,
    latest: Option<Range<A>>,
    networks: usize,
}

// === impl Sorted ===

impl<A: Bits> Sorted<A> {
    /// Returns `true` if a network contains `addr`.
    #[inline]
    pub(super) fn holds(&self, addr: A) -> bool {
        self.nearest(addr).is_some_and(|(_, _, contains)| contains)
    }

    #[inline]
    pub(super) fn nearest(&self, addr: A) -> Option<(u8, u32, bool)> {
        let heads = self.heads.get(addr.head(self.head_bits)..)?;
        let &[from, to] = heads.first_chunk()?;
        let target = addr.last_key(self.head_bits);
        let (key, position) = self.ranges.search(from as usize..to as usize, target)?;
        let bits = key.length();
        let contains = (key <= target) & key.shares(target, bits);
        Some((bits, position, contains))
    }

    /// Returns the number of networks.
    pub(super) fn len(&self) -> usize {
        self.networks
    }

    /// Returns the size in bytes.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.heads) + self.ranges.memory()
    }
}

// === impl SortedBuilder ===

impl<A: Bits> SortedBuilder<A> {
    /// The average number of networks per head.
    const PER_HEAD: usize = 4;

    /// The largest number of bits in a head. More heads than this, which take 1 MiB, exceed the
    /// nearer caches of a processor.
    const MAX_HEAD_BITS: u32 = 18;

    /// Creates a builder for the ranges of `networks` different networks, with positions up to
    /// `last_position`.
    pub(super) fn new(networks: usize, last_position: u32) -> Self {
        let heads = (networks / Self::PER_HEAD).max(1).next_power_of_two();
        let head_bits = heads.ilog2().clamp(A::LENGTH_BITS, Self::MAX_HEAD_BITS);
        let key_bits = A::BITS - head_bits + A::LENGTH_BITS;
        let position_bits = u32::BITS - last_position.leading_zeros();
        Self {
            head_bits,
            heads: Vec::with_capacity((1 << head_bits) + 1),
            ranges: RecordsBuilder::with_capacity(networks, key_bits, position_bits),
            latest: None,
            networks,
        }
    }

    /// Adds a range. It replaces an empty range that began at the same address.
    pub(super) fn push(&mut self, range: Range<A>) {
        self.open_windows(range.start.head(self.head_bits), Some(range.start));
        if self
            .latest
            .is_some_and(|latest| latest.start == range.start)
        {
            self.ranges.pop();
        }
        self.add(range.start, range);
        self.latest = Some(range);
    }

    pub(super) fn finish(mut self) -> Sorted<A> {
        let last = (1 << self.head_bits) - 1;
        self.open_windows(last, None);
        self.heads.push(self.count());
        Sorted {
            head_bits: self.head_bits,
            heads: self.heads.into(),
            ranges: self.ranges.finish(),
            networks: self.networks,
        }
    }

    /// Opens the windows up to that of `head`. A range that extends into a new window continues
    /// there as a separate range, unless the next range begins at the same address.
    fn open_windows(&mut self, head: usize, next: Option<A>) {
        while self.heads.len() <= head {
            let start = A::with_head(self.heads.len(), self.head_bits);
            self.heads.push(self.count());
            let Some(latest) = self.latest else { continue };
            if start <= latest.start.last(latest.bits) && next != Some(start) {
                self.add(start, latest);
            }
        }
    }

    /// Adds the part of `range` from `start`.
    fn add(&mut self, start: A, range: Range<A>) {
        let key = start.key(self.head_bits, range.bits);
        self.ranges.push(key, range.position);
    }

    fn count(&self) -> u32 {
        u32::try_from(self.ranges.len()).unwrap_or(u32::MAX)
    }
}
