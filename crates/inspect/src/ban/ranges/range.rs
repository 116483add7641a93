//! A network as an interval of addresses.

/// A network, by its first address; or the part of a network between networks nested in it, by the
/// first address of the part.
///
/// The order puts wider networks first among those with the same first address, and the network
/// written first among equal networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range<A> {
    pub(super) start: A,
    /// The prefix length of the network.
    pub(super) bits: u8,
    /// The position of the network, see [`Lines`](super::lines::Lines).
    pub(super) position: u32,
}
