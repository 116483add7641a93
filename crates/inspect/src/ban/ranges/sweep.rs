//! Conversion of nested networks to ranges that do not overlap.

use super::{
    bits::Bits,
    range::Range,
    sorted::{Sorted, SortedBuilder},
};

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
    let positions = networks.iter().map(|network| network.position);
    let last_position = positions.max().unwrap_or(0);
    let mut sweep = Sweep {
        open: Vec::new(),
        ranges: SortedBuilder::new(networks.len(), last_position),
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
