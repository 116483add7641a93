//! The text of a query.

use super::transform::escape;

/// Writes the text of a query to `buffer`, in the form in which expressions of SQL and other languages
/// are compared: decoded twice, in lower case, and with one space for each run of blanks and `/* */`
/// comments. Returns the text.
///
/// Only as many bytes of the query are read as the buffer has.
///
/// # Cost
///
/// Three passes. No allocation.
///
/// # Examples
///
/// ```
/// use gabion_core::query_text;
///
/// let mut buffer = [0; 64];
/// assert_eq!(query_text(b"q=1%27+OR/**/%2527a", &mut buffer), b"q=1' or 'a");
/// ```
pub fn query_text<'b, const N: usize>(query: &[u8], buffer: &'b mut [u8; N]) -> &'b [u8] {
    let mut once = [0; N];
    let len = decode(query.get(..N).unwrap_or(query), &mut once, true);
    let len = decode(once.get(..len).unwrap_or_default(), buffer, false);
    let len = fold(buffer, len);
    buffer.get(..len).unwrap_or_default()
}

/// Decodes escapes, and `+` if it stands for a blank. Returns the number of bytes.
fn decode(bytes: &[u8], decoded: &mut [u8], plus_is_blank: bool) -> usize {
    let mut rest = bytes;
    let mut len = 0_usize;
    for slot in decoded {
        let Some((&first, tail)) = rest.split_first() else {
            break;
        };
        let escaped = (first == b'%').then(|| escape(tail)).flatten();
        let plain = if first == b'+' && plus_is_blank {
            b' '
        } else {
            first
        };
        (*slot, rest) = escaped.unwrap_or((plain, tail));
        len = len.saturating_add(1);
    }
    len
}

/// Lowers the case of the first `len` bytes, and replaces blanks and comments. Returns the number of
/// bytes that remain.
fn fold(text: &mut [u8], len: usize) -> usize {
    let (mut at, mut end) = (0_usize, 0_usize);
    let mut is_after_blank = false;
    while let Some(rest) = text.get(at..len) {
        let (byte, taken) = match rest {
            [] => break,
            [b'/', b'*', comment @ ..] => {
                let closing = comment.windows(2).position(|pair| pair == b"*/");
                let taken = closing.map_or(rest.len(), |before| before.saturating_add(4));
                (b' ', taken)
            }
            [blank, ..] if blank.is_ascii_whitespace() => (b' ', 1),
            [byte, ..] => (byte.to_ascii_lowercase(), 1),
        };
        at = at.saturating_add(taken);
        if byte == b' ' && is_after_blank {
            continue;
        }
        is_after_blank = byte == b' ';
        if let Some(slot) = text.get_mut(end) {
            *slot = byte;
        }
        end = end.saturating_add(1);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_folded_and_lowered() {
        for (query, text) in [
            ("", ""),
            ("a=B", "a=b"),
            ("a+b%20c%09%0Ad", "a b c d"),
            ("%2525", "%"),
            ("%25%32%37", "'"),
            ("a%2Bb", "a+b"),
            ("x/**/y/*z*/w", "x y w"),
            ("x/*", "x "),
            ("x/*/y", "x "),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz", "%zz"),
        ] {
            let found = query_text(query.as_bytes(), &mut [0; 32]).to_vec();
            assert_eq!(String::from_utf8(found).unwrap(), text, "{query}");
        }
        assert_eq!(query_text(b"abcdef", &mut [0; 4]), b"abcd");
    }
}
