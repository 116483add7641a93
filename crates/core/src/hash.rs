//! A hash that is equal across processes and machines: not keyed, not secret.

use crate::words;

/// Hashes `bytes`, eight at a time, by folded multiplication: equal in every process and on every
/// machine, not keyed, not secret.
///
/// For sets in which a client that forces a collision only deceives itself.
#[inline]
pub fn stable_hash(bytes: &[u8]) -> u64 {
    append_stable_hash(SEED, bytes)
}

/// Returns the [`stable_hash`] of a list, from that of all but its last item, `hash`, and that item. The list
/// is not that of the concatenated items.
#[inline]
pub fn append_stable_hash(hash: u64, item: &[u8]) -> u64 {
    let start = hash ^ u64::try_from(item.len()).unwrap_or(u64::MAX);
    let (words, rest) = item.as_chunks();
    let hash = words
        .iter()
        .fold(start, |hash, word| fold(hash, u64::from_le_bytes(*word)));
    // The last eight bytes contain the rest of all but the shortest.
    let last = item.last_chunk();
    let last = last.map_or_else(|| words::short(rest), |word| u64::from_le_bytes(*word));
    fold(fold(hash, last), 0)
}

/// The basis of FNV-1a, and the golden ratio: constants with bits of no pattern.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Multiplies to 128 bits and combines both halves, so that each bit of the input changes bits of
/// all positions.
#[expect(clippy::cast_possible_truncation, reason = "each half is taken")]
#[inline]
const fn fold(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word) as u128 * FACTOR as u128;
    product as u64 ^ (product >> 64) as u64
}
