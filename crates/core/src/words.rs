//! Bytes, eight at a time, as one number.

/// The number of bytes of a word.
pub(crate) const WORD: usize = 8;

/// The highest bit of each byte.
pub(crate) const HIGH_BITS: u64 = repeat(0x80);

/// Returns a word of eight times the same byte.
pub(crate) const fn repeat(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

/// Returns the word that ends with the last byte of `bytes`: `rest`, the fewer than eight bytes after
/// their last whole word, with letters after them.
#[inline]
pub(crate) fn last_word(bytes: &[u8], rest: &[u8]) -> u64 {
    const PADDING: u8 = b'a';
    if let Some(word) = bytes.last_chunk() {
        let missing = (WORD - rest.len()) * 8;
        return u64::from_le_bytes(*word) >> missing | repeat(PADDING) << (rest.len() * 8);
    }
    short(rest) | repeat(PADDING) << (rest.len() * 8)
}

/// Returns fewer than eight bytes as a word, with zeros after them.
#[inline]
pub(crate) fn short(bytes: &[u8]) -> u64 {
    let number = |half: &[u8; WORD / 2]| u64::from(u32::from_le_bytes(*half));
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // Where they overlap, they have the same bytes.
        return number(first) | number(last) << ((bytes.len() - WORD / 2) * 8);
    }
    let byte = |at: usize| bytes.get(at).map_or(0, |byte| u64::from(*byte) << (at * 8));
    byte(0) | byte(1) | byte(2)
}

/// Sets the highest bit of each byte of `word` that is zero, and clears all others.
pub(crate) const fn zeros(word: u64) -> u64 {
    let low_bits = (word & !HIGH_BITS).wrapping_add(!HIGH_BITS);
    !(low_bits | word) & HIGH_BITS
}

/// Sets the highest bit of each byte that is from `least` to `most`. The highest bit of each byte of
/// `word` must be clear.
pub(crate) const fn in_range(word: u64, least: u8, most: u8) -> u64 {
    let from_least = word.wrapping_add(repeat(0x80 - least));
    let above_most = word.wrapping_add(repeat(0x7f - most));
    from_least & !above_most
}

/// Returns the position of the first `byte` in `bytes`.
#[inline]
pub(crate) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    let mut at = 0_usize;
    for word in words {
        let found = zeros(u64::from_le_bytes(*word) ^ repeat(byte));
        if found != 0 {
            return Some(at.wrapping_add(found.trailing_zeros() as usize / 8));
        }
        at = at.wrapping_add(WORD);
    }
    let found = rest.iter().position(|&other| other == byte)?;
    Some(at.wrapping_add(found))
}

/// Returns `true` if `bytes` contain `byte`.
#[inline]
pub(crate) fn contains(bytes: &[u8], byte: u8) -> bool {
    let contains = |word: &[u8; WORD]| zeros(u64::from_le_bytes(*word) ^ repeat(byte)) != 0;
    match bytes.last_chunk() {
        Some(last) => bytes.as_chunks().0.iter().any(contains) || contains(last),
        None => bytes.contains(&byte),
    }
}

/// Returns `false` if a header name, which has no capitals (see [`http::HeaderName`]), consists of letters
/// and single `-`. Otherwise it may be irregular.
#[inline]
pub(crate) fn may_be_irregular(name: &[u8]) -> bool {
    let (mut found, mut before) = (0_u64, 0_u64);
    let mut add = |word: u64| {
        let others = HIGH_BITS & !in_range(word, b'a', b'z');
        let not_dashes = (word ^ repeat(b'-')).wrapping_add(!HIGH_BITS);
        found |= others & (not_dashes | others << 8 | before >> 56);
        before = others;
    };
    let (words, rest) = name.as_chunks();
    for word in words {
        add(u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        add(last_word(name, rest));
    }
    found != 0
}
