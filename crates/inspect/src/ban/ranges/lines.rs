//! Line numbers over several lists.

use std::sync::Arc;

use crate::Problem;

/// The offset of each list in one numbering of all lines, from 1.
///
/// A position is then a single number, which [`Self::at`] converts to a list and a line.
pub(super) struct Lines {
    // Invariant: ascending by the number of lines in preceding lists.
    lists: Box<[(u32, Arc<str>)]>,
}

// === impl Lines ===

impl Lines {
    /// The largest total number of lines.
    const MAX: usize = u32::MAX as usize;

    /// Numbers the lines of `lists`: their names and line counts, in order.
    pub(super) fn new<'l>(
        lists: impl Iterator<Item = (&'l Arc<str>, u32)>,
    ) -> Result<Self, Problem> {
        let mut before = 0_u32;
        let mut offsets = Vec::new();
        for (name, count) in lists {
            offsets.push((before, Arc::clone(name)));
            let found = before as usize + count as usize;
            Problem::at_most("lines", found, Self::MAX)?;
            before += count;
        }
        Ok(Self {
            lists: offsets.into(),
        })
    }

    /// Returns the number of lines before each list, in order.
    pub(super) fn before(&self) -> impl Iterator<Item = u32> {
        self.lists.iter().map(|(before, _)| *before)
    }

    /// Returns the names of the lists, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.lists.iter().map(|(_, name)| name)
    }

    /// Returns the list and the line of a position.
    #[inline]
    pub(super) fn at(&self, position: u32) -> Option<(&Arc<str>, u32)> {
        let after = self.lists.partition_point(|(before, _)| *before < position);
        let (before, name) = self.lists.get(after.checked_sub(1)?)?;
        Some((name, position - before))
    }
}
