//! The lines of many lists, counted through.

use std::{borrow::Borrow, sync::Arc};

use super::{super::List, at_most};
use crate::Problem;

/// Where each list begins when the lines of all are counted through, from 1.
///
/// A place is then one number, from which list and line are worked out for what is found.
pub(super) struct Lines {
    // Invariant: ascending by the number of lines in the lists before.
    lists: Box<[(u32, Arc<str>)]>,
}

// === impl Lines ===

impl Lines {
    /// How many lines are counted.
    const MAX: usize = u32::MAX as usize;

    pub(super) fn of<L: Borrow<List>>(lists: &[L]) -> Result<Self, Problem> {
        let mut before = 0_u32;
        let mut known = Vec::with_capacity(lists.len());
        for list in lists.iter().map(Borrow::borrow) {
            known.push((before, Arc::clone(list.name())));
            let lines = list.networks().map(|(_, line)| line).max().unwrap_or(0);
            let found = before as usize + lines as usize;
            at_most("lines", found, Self::MAX)?;
            before += lines;
        }
        Ok(Self {
            lists: known.into(),
        })
    }

    /// How many lines stand before each list, in their order.
    pub(super) fn before(&self) -> impl Iterator<Item = u32> {
        self.lists.iter().map(|(before, _)| *before)
    }

    /// The names of the lists, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.lists.iter().map(|(_, name)| name)
    }

    /// The list and the line at a place.
    pub(super) fn at(&self, place: u32) -> Option<(&Arc<str>, u32)> {
        let after = self.lists.partition_point(|(before, _)| *before < place);
        let (before, name) = self.lists.get(after.checked_sub(1)?)?;
        Some((name, place - before))
    }
}
