//! Path transformations. Each appends its result to a buffer.

/// Replaces each `%XX` by its byte; an invalid escape stays.
pub(super) fn decode(path: &[u8], out: &mut Vec<u8>) {
    decode_where(|_| true, path, out);
}

/// Replaces each `%XX` that stands for an unreserved character.
pub(super) fn decode_unreserved(path: &[u8], out: &mut Vec<u8>) {
    decode_where(is_unreserved, path, out);
}

fn decode_where(decodes: impl Fn(u8) -> bool, path: &[u8], out: &mut Vec<u8>) {
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        match (first, escape(tail)) {
            (b'%', Some((byte, after))) if decodes(byte) => {
                out.push(byte);
                rest = after;
            }
            (plain, _) => {
                out.push(*plain);
                rest = tail;
            }
        }
    }
}

/// Returns `true` for characters that never need an escape in a URL (RFC 3986, 2.3).
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Returns `true` if a `%` is not followed by two hexadecimal digits.
pub(super) fn has_bad_escape(path: &[u8]) -> bool {
    let mut escapes = path.split(|&byte| byte == b'%').skip(1);
    escapes.any(|after| escape(after).is_none())
}

/// Parses the `XX` after a `%`.
pub(super) fn escape(tail: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, after @ ..] = tail else {
        return None;
    };
    let high = char::from(*high).to_digit(16)?;
    let low = char::from(*low).to_digit(16)?;
    let byte = u8::try_from(high << 4 | low).ok()?;
    Some((byte, after))
}

/// Removes the part of each segment from its first `;` on.
pub(super) fn cut_params(path: &[u8], out: &mut Vec<u8>) {
    let mut cutting = false;
    for &byte in path {
        match byte {
            b'/' => cutting = false,
            b';' => cutting = true,
            _ => {}
        }
        if !cutting {
            out.push(byte);
        }
    }
}

/// Replaces `\` by `/`.
pub(super) fn backslash_as_slash(path: &[u8], out: &mut Vec<u8>) {
    out.extend(
        path.iter()
            .map(|&byte| if byte == b'\\' { b'/' } else { byte }),
    );
}

/// Cuts the path at its first NUL.
pub(super) fn cut_at_nul(path: &[u8], out: &mut Vec<u8>) {
    out.extend(path.iter().take_while(|&&byte| byte != 0));
}

/// Merges slashes and resolves `.` and `..`. Returns `true` if `..` went above the root.
pub(super) fn resolve(path: &[u8], out: &mut Vec<u8>) -> bool {
    let base = out.len();
    let mut above_root = false;
    let mut open = false;
    for segment in path.split(|&byte| byte == b'/') {
        open = true;
        match segment {
            b"" | b"." => {}
            b".." => match out.iter().skip(base).rposition(|&byte| byte == b'/') {
                Some(slash) => out.truncate(base.saturating_add(slash)),
                None => above_root = true,
            },
            name => {
                out.push(b'/');
                out.extend_from_slice(name);
                open = false;
            }
        }
    }
    if open {
        out.push(b'/');
    }
    above_root
}

/// Returns `true` if [`resolve`] would not change the path.
pub(super) fn is_resolved(path: &[u8]) -> bool {
    let Some((b'/', rest)) = path.split_first() else {
        return false;
    };
    let mut segments = rest.split(|&byte| byte == b'/').rev();
    let last = segments.next().unwrap_or_default();
    last != b"." && last != b".." && segments.all(|s| !matches!(s, b"" | b"." | b".."))
}
