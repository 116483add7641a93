//! The transformations that servers apply to paths.

use super::PathClasses;
use crate::words;

/// One way in which some servers change a path before they use it.
pub(super) struct Transformation {
    /// The description in events.
    pub(super) description: &'static str,
    /// A path with none of these classes stays as it is.
    pub(super) triggers: PathClasses,
    /// Appends the result to a buffer. Returns `true` if dot segments went above the root.
    pub(super) run: fn(&[u8], &mut Vec<u8>) -> bool,
}

/// The transformations, in the order in which they are applied. A set of
/// [`Transformations`](super::Transformations) refers to them by index.
///
/// The first three are applied to the path as sent within any cap: they show whether the path is
/// malformed.
pub(super) const TRANSFORMATIONS: [Transformation; 9] = [
    Transformation {
        description: "decoded",
        triggers: PathClasses::PERCENT,
        run: |path, out| {
            decode(path, out);
            false
        },
    },
    Transformation {
        description: "slashes merged",
        triggers: PathClasses::EMPTY_SEGMENT,
        run: |path, out| {
            merge_slashes(path, out);
            false
        },
    },
    Transformation {
        description: "dot segments resolved",
        triggers: PathClasses::DOT_SEGMENT,
        run: resolve_dots,
    },
    Transformation {
        description: "unreserved characters decoded",
        triggers: PathClasses::PERCENT,
        run: |path, out| {
            decode_unreserved(path, out);
            false
        },
    },
    Transformation {
        description: ";parameters removed",
        triggers: PathClasses::SEMICOLON,
        run: |path, out| {
            cut_params(path, out);
            false
        },
    },
    Transformation {
        description: "\\ read as /",
        triggers: PathClasses::BACKSLASH,
        run: backslash_as_slash,
    },
    Transformation {
        description: "cut at ? or #",
        triggers: PathClasses::PATH_END,
        run: |path, out| {
            cut_at(|byte| matches!(byte, b'?' | b'#'), path, out);
            false
        },
    },
    Transformation {
        description: "cut at NUL",
        triggers: PathClasses::NUL,
        run: |path, out| {
            cut_at(|byte| byte == 0, path, out);
            false
        },
    },
    Transformation {
        description: "host after // removed",
        triggers: PathClasses::EMPTY_SEGMENT.union(PathClasses::BACKSLASH),
        run: |path, out| {
            cut_host(path, out);
            false
        },
    },
];

/// The classes of a path that any transformation changes.
pub(super) const TRIGGERS: PathClasses = {
    let mut triggers = PathClasses::NONE;
    let mut rest = TRANSFORMATIONS.as_slice();
    while let [transformation, tail @ ..] = rest {
        triggers = triggers.union(transformation.triggers);
        rest = tail;
    }
    triggers
};

/// The index of the transformation that servers apply several times.
pub(super) const DECODE: usize = 0;

/// The index of the transformation that removes a host.
pub(super) const CUT_HOST: usize = 8;

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
    while let Some((before, tail)) = split_at(rest, b'%') {
        out.extend_from_slice(before);
        rest = match escape(tail) {
            Some((byte, after)) if decodes(byte) => {
                out.push(byte);
                after
            }
            _ => {
                out.push(b'%');
                tail
            }
        };
    }
    out.extend_from_slice(rest);
}

/// Returns the bytes before and after the first `byte`.
fn split_at(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at_checked(words::find(bytes, byte)?)?;
    Some((before, rest.get(1..)?))
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
fn cut_params(path: &[u8], out: &mut Vec<u8>) {
    let mut rest = path;
    while let Some((kept, params)) = split_at(rest, b';') {
        out.extend_from_slice(kept);
        let end = params.iter().position(|&byte| byte == b'/');
        rest = end.and_then(|end| params.get(end..)).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Replaces `\` by `/`, and resolves dot segments, as all servers do that read `\` as `/`: those on
/// Windows, and those that parse the path as a browser does (WHATWG URL, path state). Returns `true`
/// if a `..` was at the root.
fn backslash_as_slash(path: &[u8], out: &mut Vec<u8>) -> bool {
    let replaced: Vec<_> = path
        .iter()
        .map(|&byte| if byte == b'\\' { b'/' } else { byte })
        .collect();
    resolve_dots(&replaced, out)
}

/// Removes the first segment of a path that begins with `//`, which is a host to `new URL(path, base)`
/// (WHATWG URL, special authority ignore slashes state). Backslashes are slashes there.
fn cut_host(path: &[u8], out: &mut Vec<u8>) {
    let is_slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let [b'/', second, ..] = path else {
        return out.extend_from_slice(path);
    };
    if !is_slash(second) {
        return out.extend_from_slice(path);
    }
    let host = path.iter().position(|byte| !is_slash(byte));
    let from_host = host.and_then(|start| path.get(start..)).unwrap_or_default();
    let end = from_host.iter().position(is_slash);
    let after = end.and_then(|end| from_host.get(end.saturating_add(1)..));
    out.push(b'/');
    out.extend_from_slice(after.unwrap_or_default());
}

/// Cuts the path at the first byte for which `ends` returns `true`.
fn cut_at(ends: impl Fn(u8) -> bool, path: &[u8], out: &mut Vec<u8>) {
    let kept = path.split(|&byte| ends(byte)).next();
    out.extend_from_slice(kept.unwrap_or_default());
}

/// Replaces each run of slashes by one slash.
pub(super) fn merge_slashes(path: &[u8], out: &mut Vec<u8>) {
    // The bytes not yet copied: from `start` on.
    let mut start = 0_usize;
    for (at, two) in path.array_windows().enumerate() {
        if two == b"//" {
            out.extend_from_slice(path.get(start..at).unwrap_or_default());
            start = at.saturating_add(1);
        }
    }
    out.extend_from_slice(path.get(start..).unwrap_or_default());
}

/// Resolves `.` and `..` of a path that begins with `/` (RFC 3986, 5.2.4). Returns `true` if a `..` was
/// at the root; it is removed.
pub(super) fn resolve_dots(path: &[u8], out: &mut Vec<u8>) -> bool {
    let base = out.len();
    // The segments not yet copied, with the slash before each: from `start` to `end`.
    let (mut start, mut end) = (0_usize, 0_usize);
    let (mut is_dots, mut is_above_root) = (false, false);
    for segment in path.split(|&byte| byte == b'/').skip(1) {
        let after = end.saturating_add(segment.len()).saturating_add(1);
        is_dots = matches!(segment, b"." | b"..");
        if is_dots {
            out.extend_from_slice(path.get(start..end).unwrap_or_default());
            start = after;
        }
        if segment == b".." {
            let slash = out.iter().skip(base).rposition(|&byte| byte == b'/');
            is_above_root |= slash.is_none();
            out.truncate(base.saturating_add(slash.unwrap_or(0)));
        }
        end = after;
    }
    out.extend_from_slice(path.get(start..end).unwrap_or_default());
    if is_dots {
        out.push(b'/');
    }
    is_above_root
}
