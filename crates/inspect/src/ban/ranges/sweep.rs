//! Conversion of nested networks to ranges that do not overlap.

use super::{
    bits::Bits,
    sorted::{Sorted, SortedBuilder},
};

/// A network, by its first address; or the part of a network between networks nested in it, by the
/// first address of the part.
///
/// The order puts wider networks first among those with the same first address, and the network
/// written first among equal networks. The sweep relies on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range<A> {
    pub(super) start: A,
    /// The prefix length of the network.
    pub(super) bits: u8,
    /// The position of the network, see [`Lines`](super::lines::Lines).
    pub(super) position: u32,
}

/// A sweep over sorted networks, from the lowest address to the highest.
struct Sweep<A> {
    // The networks that contain the current address, each with its last address, innermost last.
    open: Vec<(A, Range<A>)>,
    ranges: SortedBuilder<A>,
}

/// Sorts networks into ranges that do not overlap.
pub(super) fn sort<A: Bits>(mut networks: Vec<Range<A>>) -> Sorted<A> {
    networks.sort_unstable();
    networks.dedup_by_key(|network| (network.start, network.bits));
    let mut sweep = Sweep {
        open: Vec::new(),
        ranges: SortedBuilder::with_capacity(networks.len()),
    };
    for &network in &networks {
        sweep.leave_until(Some(network.start));
        sweep.enter(network);
    }
    sweep.leave_until(None);
    sweep.ranges.finish()
}

// === impl Sweep ===

impl<A: Bits> Sweep<A> {
    /// Enters a network, which lies within the innermost open network or outside all of them.
    fn enter(&mut self, network: Range<A>) {
        self.ranges.push(network);
        self.open.push((network.start.last(network.bits), network));
    }

    /// Leaves the networks that end before `start`, or all networks. After each of them, the
    /// network around it continues as a new range.
    fn leave_until(&mut self, start: Option<A>) {
        while let Some(&(last, _)) = self.open.last()
            && start.is_none_or(|start| last < start)
        {
            self.open.pop();
            if let (Some(&(outer_last, outer)), Some(start)) = (self.open.last(), last.next())
                && start <= outer_last
            {
                self.ranges.push(Range { start, ..outer });
            }
        }
    }
}
