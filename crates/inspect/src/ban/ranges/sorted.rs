//! Networks of one family as sorted ranges that do not overlap.

use super::{bits::Bits, sweep::Range};

/// The networks of one family, and where each was written.
///
/// A network with another inside becomes two ranges or more, so that a lookup is one search and
/// never a walk through nested networks. The search is short: the leading bits of an address, its
/// head, lead to the few ranges that it can lie in, a window. What is asked for in vain touches a
/// pair of heads and the keys of one window, a cache line mostly; places are only read for what is
/// found.
pub(super) struct Sorted<A> {
    head_bits: u32,
    // Invariant: at `h` the number of keys whose heads are below `h`.
    heads: Box<[u32]>,
    // Of each range what follows the head of its first address, and the length of its network's
    // prefix. Invariant: ascending within a window. A range reaches to the end of its network or to
    // the next key, whichever is first, and never into another window; so an end need not be kept.
    keys: Box<[A]>,
    // Invariant: as many as `keys`.
    places: Box<[u32]>,
    networks: usize,
}

/// Ranges on their way into [`Sorted`], from the lowest to the highest.
pub(super) struct Packing<A> {
    head_bits: u32,
    heads: Vec<u32>,
    keys: Vec<A>,
    places: Vec<u32>,
    latest: Option<Range<A>>,
    networks: usize,
}

// === impl Sorted ===

impl<A: Bits> Sorted<A> {
    /// Whether a network holds `addr`.
    #[inline]
    pub(super) fn holds(&self, addr: A) -> bool {
        self.search(addr).is_some()
    }

    /// The length and the place of the longest network that holds `addr`.
    #[inline]
    pub(super) fn find(&self, addr: A) -> Option<(u8, u32)> {
        let (at, bits) = self.search(addr)?;
        Some((bits, *self.places.get(at)?))
    }

    /// The range that holds `addr`, and the length of its network.
    #[inline]
    fn search(&self, addr: A) -> Option<(usize, u8)> {
        let heads = self.heads.get(addr.head(self.head_bits)..)?;
        let &[from, to] = heads.first_chunk()?;
        let window = self.keys.get(from as usize..to as usize)?;
        let asked = addr.last_key(self.head_bits);
        let at = window.partition_point(|&key| key <= asked).checked_sub(1)?;
        let key = *window.get(at)?;
        let bits = key.length();
        let inside = key.shares(asked, self.head_bits, bits);
        inside.then_some((from as usize + at, bits))
    }

    /// How many networks there are.
    pub(super) fn len(&self) -> usize {
        self.networks
    }

    /// How many bytes are held.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.heads) + size_of_val(&*self.keys) + size_of_val(&*self.places)
    }
}

// === impl Packing ===

impl<A: Bits> Packing<A> {
    /// How many networks there are for each head.
    const PER_HEAD: usize = 4;

    /// More heads than this, which take 1 MiB, would leave a processor's nearer caches.
    const MAX_HEAD_BITS: u32 = 18;

    /// For the ranges of so many different networks.
    pub(super) fn of(networks: usize) -> Self {
        let heads = (networks / Self::PER_HEAD).max(1).next_power_of_two();
        let head_bits = heads.ilog2().clamp(A::LENGTH_BITS, Self::MAX_HEAD_BITS);
        Self {
            head_bits,
            heads: Vec::with_capacity((1 << head_bits) + 1),
            keys: Vec::with_capacity(networks),
            places: Vec::with_capacity(networks),
            latest: None,
            networks,
        }
    }

    /// Adds a range; one that began at the same address is empty and gives way.
    pub(super) fn push(&mut self, range: Range<A>) {
        self.open_windows(range.start.head(self.head_bits), Some(range.start));
        if self
            .latest
            .is_some_and(|latest| latest.start == range.start)
        {
            self.keys.pop();
            self.places.pop();
        }
        self.keys.push(range.start.key(self.head_bits, range.bits));
        self.places.push(range.place);
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
            places: self.places.into(),
            networks: self.networks,
        }
    }

    /// Opens the windows up to that of `head`. Where the latest range reaches into one it goes on
    /// there as a range of its own, unless the next begins at the same address.
    fn open_windows(&mut self, head: usize, next: Option<A>) {
        while self.heads.len() <= head {
            let start = A::with_head(self.heads.len(), self.head_bits);
            self.heads.push(self.count());
            let Some(latest) = self.latest else { continue };
            if start <= latest.start.last(latest.bits) && next != Some(start) {
                self.keys.push(start.key(self.head_bits, latest.bits));
                self.places.push(latest.place);
            }
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
    }
}
