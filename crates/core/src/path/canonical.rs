//! Canonical form of a path.

use std::borrow::Cow;

use super::{PathClasses, layout::Layout, transform};

/// The classes of a path in which slashes or dot segments are not resolved.
const UNRESOLVED: PathClasses = PathClasses::UNROOTED
    .union(PathClasses::EMPTY_SEGMENT)
    .union(PathClasses::DOT_SEGMENT);

/// Returns the canonical form of `path`, which all servers interpret alike (RFC 3986, 6.2.2):
/// unreserved characters are unescaped, other bytes are escaped in upper case, and slashes and dot
/// segments are resolved.
///
/// An escaped slash stays escaped, and `;parameters` stay: both are part of the resource's name.
pub(super) fn canonical(path: &[u8]) -> Cow<'_, [u8]> {
    if path.iter().copied().all(is_plain) && Layout::new(path).lacks(UNRESOLVED) {
        return Cow::Borrowed(path);
    }
    let mut decoded = Vec::with_capacity(path.len());
    transform::decode_unreserved(path, &mut decoded);
    let mut escaped = Vec::with_capacity(decoded.len());
    let mut rest = &*decoded;
    while let [first, tail @ ..] = rest {
        match (first, transform::escape(tail)) {
            (b'%', Some((byte, after))) => {
                escape(byte, &mut escaped);
                rest = after;
            }
            (&byte, _) => {
                if is_plain(byte) {
                    escaped.push(byte);
                } else {
                    escape(byte, &mut escaped);
                }
                rest = tail;
            }
        }
    }
    let mut merged = Vec::with_capacity(escaped.len());
    transform::merge_slashes(&escaped, &mut merged);
    let mut resolved = Vec::with_capacity(merged.len());
    transform::resolve_dots(&merged, &mut resolved);
    Cow::Owned(resolved)
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |half: u8| DIGITS.get(usize::from(half & 15)).copied();
    out.push(b'%');
    out.extend(digit(byte >> 4).into_iter().chain(digit(byte)));
}

/// Returns `true` for bytes allowed unescaped in a path (RFC 3986, 3.3).
fn is_plain(byte: u8) -> bool {
    transform::is_unreserved(byte) || b"/!$&'()*+,;=:@".contains(&byte)
}
