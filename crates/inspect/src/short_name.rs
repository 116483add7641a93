//! Names of at most eight bytes as numbers, which are compared at once.

/// Returns a name in lower case, of at most eight bytes, as a number.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
pub(crate) const fn number(name: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let mut at = 0;
    while at < name.len() {
        bytes[at] = name[at];
        at += 1;
    }
    u64::from_le_bytes(bytes)
}

/// Returns the number of a name, in lower case. Zero if it is longer than eight bytes.
pub(crate) fn lowercase_number(name: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    if let Some(start) = bytes.get_mut(..name.len()) {
        start.copy_from_slice(name);
    }
    bytes.make_ascii_lowercase();
    u64::from_le_bytes(bytes)
}
