//! A prefilter for name lookups.

/// The lengths of the stored names, by lowercase first byte. Most requested names differ from every
/// rule in length or first byte, which one load detects.
#[derive(Debug, Default)]
pub(super) struct NameFilter(Vec<u64>);

// === impl NameFilter ===

impl NameFilter {
    pub(super) fn add(&mut self, name: &[u8]) {
        self.0.resize(FIRST_BYTES, 0);
        if let Some(lengths) = self.0.get_mut(first(name)) {
            *lengths |= bit(name);
        }
    }

    /// Accepts every name.
    pub(super) fn add_all(&mut self) {
        self.0 = vec![u64::MAX; FIRST_BYTES];
    }

    /// Returns `false` if `name` is certainly not stored.
    pub(super) fn may_contain(&self, name: &[u8]) -> bool {
        let lengths = self.0.get(first(name)).copied().unwrap_or(0);
        lengths & bit(name) != 0
    }
}

const FIRST_BYTES: usize = 256;

fn first(name: &[u8]) -> usize {
    name.first().map_or(0, u8::to_ascii_lowercase).into()
}

/// Returns the bit of a length. Lengths that differ by a multiple of 64 share a bit.
const fn bit(name: &[u8]) -> u64 {
    1 << (name.len() % 64)
}
