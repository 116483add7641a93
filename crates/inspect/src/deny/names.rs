//! Case-insensitive hash table of names.
//!
//! A lookup copies nothing: the hash function lowers the case of each byte (FNV-1a), and candidates
//! are compared without case. The hash needs no secret seed: clients choose the keys of lookups,
//! but only the policy chooses the stored keys.

use gabion_core::NameFilter;
use hashbrown::HashTable;

/// Names, each with the index of the first rule that contains it.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: HashTable<(Box<[u8]>, usize)>,
    filter: NameFilter,
}

// === impl Names ===

impl Names {
    pub(super) const fn is_empty(&self) -> bool {
        self.filter.is_empty()
    }

    pub(super) const fn filter(&self) -> &NameFilter {
        &self.filter
    }

    pub(super) fn add(&mut self, name: &[u8], rule: usize) {
        if self.find(name).is_none() {
            self.filter.add(name);
            let rehash = |(name, _): &(Box<[u8]>, _)| hash(name);
            self.table
                .insert_unique(hash(name), (name.into(), rule), rehash);
        }
    }

    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        if self.filter.may_contain(name) {
            self.find_stored(name)
        } else {
            None
        }
    }

    fn find_stored(&self, name: &[u8]) -> Option<usize> {
        let is_equal = |(known, _): &(Box<[u8]>, _)| known.eq_ignore_ascii_case(name);
        self.table.find(hash(name), is_equal).map(|(_, rule)| *rule)
    }
}

/// Mixes the bits, since the table uses both ends of the hash, and the low end of FNV is mixed better.
fn hash(name: &[u8]) -> u64 {
    let folded = name.iter().map(u8::to_ascii_lowercase);
    let hash = folded.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ hash.rotate_left(32)
}
