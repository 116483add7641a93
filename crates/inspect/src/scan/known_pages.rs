//! The pages that the service has, as far as its answers show.

use std::sync::atomic::{AtomicU32, Ordering};

/// A set of the pages ([`Target::page`](super::target::Target::page)) that the service served lately.
///
/// A page takes the place of another one with the same index, so pages that no client requests are
/// forgotten. Takes 64 KiB, and lookups take no lock.
#[derive(Debug)]
pub(super) struct KnownPages(Box<[AtomicU32]>);

impl KnownPages {
    /// The number of places, a power of two.
    const PLACES: usize = 1 << 14;

    pub(super) fn new() -> Self {
        Self((0..Self::PLACES).map(|_| AtomicU32::new(0)).collect())
    }

    pub(super) fn contains(&self, page: u32) -> bool {
        self.place(page)
            .is_some_and(|place| place.load(Ordering::Relaxed) == page)
    }

    pub(super) fn insert(&self, page: u32) {
        if let Some(place) = self.place(page) {
            place.store(page, Ordering::Relaxed);
        }
    }

    fn place(&self, page: u32) -> Option<&AtomicU32> {
        let at = usize::try_from(page).unwrap_or_default() % Self::PLACES;
        self.0.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_known_until_another_takes_its_place() {
        let pages = KnownPages::new();
        let (one, next, other) = (5, 6, 5 + (1 << 14));
        assert!(!pages.contains(one));
        pages.insert(one);
        pages.insert(next);
        assert!(pages.contains(one) && pages.contains(next));
        pages.insert(other);
        assert!(pages.contains(other) && !pages.contains(one));
    }
}
