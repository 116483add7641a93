//! The nesting depth of JSON, read token by token: the reference for the reader of message rules.

/// The tokens that may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Value,
    /// A value, or the end of an array that has just begun.
    Element,
    Key,
    /// A key, or the end of an object that has just begun.
    Member,
    Colon,
    /// A comma, or the end of the innermost array or object.
    Next,
}

/// Returns the nesting depth of the longest beginning of `text` that may be the beginning of JSON values.
pub(super) fn json_depth(text: &[u8]) -> usize {
    let (mut open, mut deepest) = (Vec::new(), 0);
    let (mut expects, mut rest) = (Expected::Value, text);
    while let Some((token, after)) = token(rest) {
        let may_begin = matches!(expects, Expected::Value | Expected::Element);
        let is_key = matches!(expects, Expected::Key | Expected::Member);
        let may_end = match token {
            b']' => matches!(expects, Expected::Element | Expected::Next),
            _ => matches!(expects, Expected::Member | Expected::Next),
        };
        let innermost = open.last().copied();
        expects = match token {
            b'[' | b'{' if may_begin => {
                open.push(token);
                deepest = deepest.max(open.len());
                if token == b'[' {
                    Expected::Element
                } else {
                    Expected::Member
                }
            }
            // In ASCII, a closing bracket is two after its opening one.
            b']' | b'}' if may_end && innermost == Some(token - 2) => {
                open.pop();
                after_value(&open)
            }
            b',' if expects == Expected::Next && innermost == Some(b'{') => Expected::Key,
            b',' if expects == Expected::Next => Expected::Value,
            b':' if expects == Expected::Colon => Expected::Value,
            b'"' if is_key => Expected::Colon,
            b'"' | b'0' if may_begin => after_value(&open),
            _ => break,
        };
        rest = after;
    }
    deepest
}

fn after_value(open: &[u8]) -> Expected {
    if open.is_empty() {
        Expected::Value
    } else {
        Expected::Next
    }
}

/// Returns the next token and the text after it: a quote for a string, `0` for a number or a word.
fn token(text: &[u8]) -> Option<(u8, &[u8])> {
    let start = text.iter().position(|byte| !b" \t\r\n".contains(byte))?;
    let text = &text[start..];
    match text[0] {
        b'"' => Some((b'"', after_string(&text[1..])?)),
        byte if b"[]{},:".contains(&byte) => Some((byte, &text[1..])),
        _ => {
            let ends = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte);
            let (word, after) = text.split_at(text.iter().position(ends).unwrap_or(text.len()));
            let digits = word.strip_prefix(b"-").unwrap_or(word);
            let is_number = digits.first().is_some_and(u8::is_ascii_digit);
            let is_word = [&b"true"[..], b"false", b"null"].contains(&word);
            (is_number || is_word).then_some((b'0', after))
        }
    }
}

/// Returns the text after a string without its opening quote, or `None` if it is not closed.
fn after_string(text: &[u8]) -> Option<&[u8]> {
    let mut is_escaped = false;
    let end = text.iter().position(|&byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    Some(&text[end? + 1..])
}
