//! Networks of one address family as sorted ranges that do not overlap.

use super::{bits::Bits, range::Range};

/// Sorted ranges of one address family, each with the position of its network.
///
/// A network that contains another one becomes two or more ranges, so that a lookup is one binary
/// search and never a walk through nested networks. The search is short: the leading bits of an
/// address, its head, select the few ranges that can contain it, a window. A miss reads one pair of
/// heads and the keys of one window, usually one cache line; positions are read for hits only.
pub(super) struct Sorted<A> {
    head_bits: u32,
    // Invariant: `heads[h]` is the number of keys whose heads are below `h`.
    heads: Box<[u32]>,
    // For each range, the bits after the head of its first address, and the prefix length of its
    // network. Invariant: ascending within a window. A range ends at the end of its network or at the
    // next key, whichever is first, and never extends into another window, so no end is stored.
    keys: Box<[A]>,
    // Invariant: as long as `keys`.
    positions: Box<[u32]>,
    networks: usize,
}

/// Builds [`Sorted`] from ranges in ascending order.
pub(super) struct SortedBuilder<A> {
    head_bits: u32,
    heads: Vec<u32>,
    keys: Vec<A>,
    positions: Vec<u32>,
    latest: Option<Range<A>>,
    networks: usize,
}

// === impl Sorted ===

impl<A: Bits> Sorted<A> {
    /// Returns `true` if a network contains `addr`.
    #[inline]
    pub(super) fn holds(&self, addr: A) -> bool {
        self.search(addr).is_some()
    }

    /// Returns the prefix length and the position of the longest network that contains `addr`.
    #[inline]
    pub(super) fn find(&self, addr: A) -> Option<(u8, u32)> {
        let (at, bits) = self.search(addr)?;
        Some((bits, *self.positions.get(at)?))
    }

    /// Returns the index of the range that contains `addr`, and the prefix length of its network.
    #[inline]
    fn search(&self, addr: A) -> Option<(usize, u8)> {
        let heads = self.heads.get(addr.head(self.head_bits)..)?;
        let &[from, to] = heads.first_chunk()?;
        let window = self.keys.get(from as usize..to as usize)?;
        let target = addr.last_key(self.head_bits);
        let at = window
            .partition_point(|&key| key <= target)
            .checked_sub(1)?;
        let key = *window.get(at)?;
        let bits = key.length();
        let inside = key.shares(target, self.head_bits, bits);
        inside.then_some((from as usize + at, bits))
    }

    /// Returns the number of networks.
    pub(super) fn len(&self) -> usize {
        self.networks
    }

    /// Returns the size in bytes.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.heads) + size_of_val(&*self.keys) + size_of_val(&*self.positions)
    }
}

// === impl SortedBuilder ===

impl<A: Bits> SortedBuilder<A> {
    /// The average number of networks per head.
    const PER_HEAD: usize = 4;

    /// The largest number of bits in a head. More heads than this, which take 1 MiB, exceed the
    /// nearer caches of a processor.
    const MAX_HEAD_BITS: u32 = 18;

    /// Creates a builder for the ranges of `networks` different networks.
    pub(super) fn with_capacity(networks: usize) -> Self {
        let heads = (networks / Self::PER_HEAD).max(1).next_power_of_two();
        let head_bits = heads.ilog2().clamp(A::LENGTH_BITS, Self::MAX_HEAD_BITS);
        Self {
            head_bits,
            heads: Vec::with_capacity((1 << head_bits) + 1),
            keys: Vec::with_capacity(networks),
            positions: Vec::with_capacity(networks),
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
            self.keys.pop();
            self.positions.pop();
        }
        self.keys.push(range.start.key(self.head_bits, range.bits));
        self.positions.push(range.position);
        self.latest = Some(range);
    }

    pub(super) fn finish(mut self) -> Sorted<A> {
        let last = (1 << self.head_bits) - 1;
        self.open_windows(last, None);
        self.heads.push(self.count());
        Sorted {
            head_bits: self.head_bits,
            heads: self.heads.into(),
            keys: self.keys.into(),
            positions: self.positions.into(),
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
                self.keys.push(start.key(self.head_bits, latest.bits));
                self.positions.push(latest.position);
            }
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
    }
}
