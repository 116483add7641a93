//! From networks that contain one another to ranges that do not overlap.

use super::{
    bits::Bits,
    sorted::{Packing, Sorted},
};

/// A network, by its first address; or what is left of one between those inside it, by its own
/// first address.
///
/// Of networks with one first address the order puts the widest first, and of equal networks the
/// one that was written first: the sweep relies on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range<A> {
    pub(super) start: A,
    /// The length of the network's prefix.
    pub(super) bits: u8,
    /// Where the network was written.
    pub(super) place: u32,
}

/// The sweep from the lowest address to the highest.
struct Sweep<A> {
    // The networks that the sweep is inside of, with their last addresses; the innermost is last.
    open: Vec<(A, Range<A>)>,
    found: Packing<A>,
}

/// Sorts networks.
pub(super) fn sort<A: Bits>(mut networks: Vec<Range<A>>) -> Sorted<A> {
    networks.sort_unstable();
    networks.dedup_by_key(|network| (network.start, network.bits));
    let mut sweep = Sweep {
        open: Vec::new(),
        found: Packing::of(networks.len()),
    };
    for &network in &networks {
        sweep.leave_until(Some(network.start));
        sweep.enter(network);
    }
    sweep.leave_until(None);
    sweep.found.finish()
}

// === impl Sweep ===

impl<A: Bits> Sweep<A> {
    /// Enters a network, which lies within the innermost open one or outside all of them.
    fn enter(&mut self, network: Range<A>) {
        self.found.push(network);
        self.open.push((network.start.last(network.bits), network));
    }

    /// Leaves the networks that end before `start`, or all of them; behind each the one around it
    /// goes on.
    fn leave_until(&mut self, start: Option<A>) {
        while let Some(&(last, _)) = self.open.last()
            && start.is_none_or(|start| last < start)
        {
            self.open.pop();
            if let (Some(&(outer_last, outer)), Some(start)) = (self.open.last(), last.next())
                && start <= outer_last
            {
                self.found.push(Range { start, ..outer });
            }
        }
    }
}
