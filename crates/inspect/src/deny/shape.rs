//! What names look like before they are hashed.

/// The lengths of names, by their first byte whatever its case. Most of what clients ask for has
/// another shape than anything that a rule names, and that is told by one load.
#[derive(Debug, Default)]
pub(super) struct Shapes(Vec<u64>);

// === impl Shapes ===

impl Shapes {
    pub(super) fn add(&mut self, name: &[u8]) {
        self.0.resize(FIRST_BYTES, 0);
        if let Some(lengths) = self.0.get_mut(first(name)) {
            *lengths |= bit(name);
        }
    }

    /// Takes every name for one of them.
    pub(super) fn add_all(&mut self) {
        self.0 = vec![u64::MAX; FIRST_BYTES];
    }

    /// Whether `name` may be one of them: surely not, or perhaps.
    pub(super) fn may_hold(&self, name: &[u8]) -> bool {
        let lengths = self.0.get(first(name)).copied().unwrap_or(0);
        lengths & bit(name) != 0
    }
}

const FIRST_BYTES: usize = 256;

fn first(name: &[u8]) -> usize {
    name.first().map_or(0, u8::to_ascii_lowercase).into()
}

/// Names that are 64 bytes longer than another share its bit.
const fn bit(name: &[u8]) -> u64 {
    1 << (name.len() % 64)
}
