//! A hash that is equal across processes and machines: not keyed, not secret.

/// Hashes `bytes`, eight at a time, by folded multiplication: equal in every process and on every
/// machine, not keyed, not secret.
///
/// For sets in which a client that forces a collision only deceives itself.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let start = SEED ^ u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let (words, rest) = bytes.as_chunks();
    let hash = words.iter().fold(start, |hash, word| fold(hash, *word));
    // The last eight bytes contain the rest of all but the shortest.
    let last = bytes.last_chunk().copied().unwrap_or_else(|| {
        let mut word = [0; 8];
        word.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
        word
    });
    fold(fold(hash, last), [0; 8])
}

/// The basis of FNV-1a, and the golden ratio: constants with bits of no pattern.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Multiplies to 128 bits and combines both halves, so that each bit of the input changes bits of
/// all positions.
#[expect(clippy::cast_possible_truncation, reason = "each half is taken")]
fn fold(hash: u64, word: [u8; 8]) -> u64 {
    let product = u128::from(hash ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR.into());
    product as u64 ^ (product >> 64) as u64
}
