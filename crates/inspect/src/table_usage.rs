//! The use of bounded tables.

/// The use of a table whose size is bounded: how full it is, and whether it drops entries.
///
/// # Examples
///
/// ```
/// use gabion_inspect::State;
///
/// let tables = State::with_capacity(1_000).tables();
/// let bans = tables.iter().find(|table| table.name == "bans").unwrap();
/// assert_eq!((bans.entries, bans.capacity, bans.evictions), (0, 1_000, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableUsage {
    /// The name, such as `bans`.
    pub name: &'static str,
    /// The number of entries.
    pub entries: usize,
    /// The largest number of entries.
    pub capacity: usize,
    /// The number of entries that were dropped for others while they still counted.
    pub evictions: u64,
}

// === impl TableUsage ===

impl TableUsage {
    /// Creates a row about a table.
    pub const fn new(name: &'static str, entries: usize, capacity: usize, evictions: u64) -> Self {
        Self {
            name,
            entries,
            capacity,
            evictions,
        }
    }
}
