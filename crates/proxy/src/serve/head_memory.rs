//! The memory of request heads that are not complete.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The bytes that the heads of all connections may hold together, beyond [`Self::FREE`] of each.
#[derive(Debug)]
pub(super) struct HeadMemory {
    left: AtomicUsize,
}

/// The part that one connection holds, until it is dropped.
#[derive(Debug)]
pub(super) struct HeadShare {
    memory: Arc<HeadMemory>,
    taken: usize,
}

// === impl HeadMemory ===

impl HeadMemory {
    /// The bytes of each head that are not counted, so that others cannot keep an ordinary head out: 16 KiB.
    pub(super) const FREE: usize = 16 * 1024;
    /// The default: 32 MiB.
    pub(super) const TOTAL: usize = 32 * 1024 * 1024;

    pub(super) const fn new(total: usize) -> Self {
        Self {
            left: AtomicUsize::new(total),
        }
    }

    pub(super) fn share(self: &Arc<Self>) -> HeadShare {
        HeadShare {
            memory: Arc::clone(self),
            taken: 0,
        }
    }
}

impl Default for HeadMemory {
    fn default() -> Self {
        Self::new(Self::TOTAL)
    }
}

// === impl HeadShare ===

impl HeadShare {
    /// Adjusts the share to an incomplete head of this many bytes, 0 if there is none.
    ///
    /// # Errors
    ///
    /// Returns an error if no memory is left. The share is then unchanged.
    pub(super) fn resize(&mut self, head: usize) -> io::Result<()> {
        let wanted = head.saturating_sub(HeadMemory::FREE);
        let left = &self.memory.left;
        if wanted > self.taken {
            let more = wanted - self.taken;
            let take = |left: usize| left.checked_sub(more);
            let what = "the incomplete heads of all connections hold as much memory as they may";
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .map_err(|_| io::Error::other(what))?;
        } else if wanted < self.taken {
            left.fetch_add(self.taken - wanted, Ordering::Relaxed);
        }
        self.taken = wanted;
        Ok(())
    }
}

impl Drop for HeadShare {
    fn drop(&mut self) {
        self.memory.left.fetch_add(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn shares_take_no_more_than_the_total_and_give_all_of_it_back(
            heads in vec((0..8_usize, 0..70_000_usize), 1..100),
        ) {
            const TOTAL: usize = 100_000;
            let memory = Arc::new(HeadMemory::new(TOTAL));
            let mut shares: Vec<_> = (0..8).map(|_| memory.share()).collect();
            for (share, head) in heads {
                let before = shares[share].taken;
                let has_room = shares[share].resize(head).is_ok();
                let others: usize = shares.iter().map(|share| share.taken).sum::<usize>() - shares[share].taken;
                let wanted = head.saturating_sub(HeadMemory::FREE);
                prop_assert_eq!(has_room, others + wanted <= TOTAL || wanted <= before);
                prop_assert_eq!(shares[share].taken, if has_room { wanted } else { before });
            }
            drop(shares);
            prop_assert_eq!(memory.left.load(Ordering::Relaxed), TOTAL);
        }
    }
}
