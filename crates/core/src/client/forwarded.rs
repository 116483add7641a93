//! Parser for the elements of `Forwarded` (RFC 7239, 4).

/// The length of the longest value that is read: a quoted IPv6 address with brackets and port, each byte
/// of it escaped.
const MAX_VALUE: usize = 128;

/// One pair of an element.
struct Pair<'e> {
    name: &'e [u8],
    /// The value as sent, with its quotes.
    value: &'e [u8],
}

/// Parses the value of the pair `name` in an element, without quotes and escapes.
///
/// `None` if the element lacks the pair, or if it is malformed: then a proxy may have copied text of the
/// client into it without quotes or escapes.
pub(super) fn parse_value<T>(
    element: &[u8],
    name: &str,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Option<T> {
    let mut room = [0; MAX_VALUE];
    parse(unquote(find_value(element, name)?, &mut room)?)
}

/// Returns the value of the pair `name`, which an element has at most once.
fn find_value<'e>(element: &'e [u8], name: &str) -> Option<&'e [u8]> {
    let (mut rest, mut found) = (skip_separators(element), None);
    while !rest.is_empty() {
        let (pair, after) = split_pair(rest)?;
        let is_named = pair.name.eq_ignore_ascii_case(name.as_bytes());
        if is_named && found.replace(pair.value).is_some() {
            return None;
        }
        let after = after.trim_ascii_start();
        if !matches!(after, [] | [b';', ..]) {
            return None;
        }
        rest = skip_separators(after);
    }
    found
}

fn skip_separators(text: &[u8]) -> &[u8] {
    let is_separator = |byte: &u8| matches!(byte, b';' | b' ' | b'\t');
    let start = text.iter().position(|byte| !is_separator(byte));
    start
        .and_then(|start| text.get(start..))
        .unwrap_or_default()
}

/// Splits off the pair that `text` begins with. `None` if it is malformed.
fn split_pair(text: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let (name, text) = text.split_at_checked(token_len(text))?;
    let text = text.strip_prefix(b"=")?;
    let len = match text {
        [b'"', inner @ ..] => inner_len(inner)?.checked_add(2)?,
        token => token_len(token),
    };
    let (value, rest) = text.split_at_checked(len)?;
    Some((Pair { name, value }, rest))
}

/// The length of the token that `text` begins with. Brackets and colons of an address may lack their
/// quotes.
fn token_len(text: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b'=' | b';' | b',' | b'"' | b' ' | b'\t');
    text.iter().position(ends).unwrap_or(text.len())
}

/// The length of a quoted string up to its closing quote. `None` if it has none.
fn inner_len(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    text.iter().position(|&byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}

/// Removes the quotes and escapes of a value (RFC 9110, 5.6.4). `None` if it is too long for `room`.
fn unquote<'v>(value: &'v [u8], room: &'v mut [u8; MAX_VALUE]) -> Option<&'v [u8]> {
    let Some(inner) = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
    else {
        return Some(value);
    };
    if !inner.contains(&b'\\') {
        return Some(inner);
    }
    let (mut len, mut is_escaped) = (0, false);
    for &byte in inner {
        is_escaped = byte == b'\\' && !is_escaped;
        if !is_escaped {
            *room.get_mut(len)? = byte;
            len += 1;
        }
    }
    room.get(..len)
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn quoted_text_is_read_back_and_names_nothing_else(host in "[ -~]{0,60}") {
            let escaped = host.replace('\\', "\\\\").replace('"', "\\\"");
            let element = format!("proto=http;host=\"{escaped}\";for=203.0.113.5");
            let read = |name| {
                let text = |value: &[u8]| String::from_utf8(value.to_vec()).ok();
                parse_value(element.as_bytes(), name, text)
            };
            prop_assert_eq!(read("For"), Some("203.0.113.5".to_owned()));
            prop_assert_eq!(read("proto"), Some("http".to_owned()));
            prop_assert_eq!(read("host"), Some(host));
        }
    }
}
