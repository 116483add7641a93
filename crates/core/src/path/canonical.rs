//! The one spelling of a path.

use std::borrow::Cow;

use super::step;

/// Spells `path` in the one way that all readers agree on (RFC 3986, 6.2.2): what needs no escape
/// has none, what needs one has it in capitals, and slashes and dot segments are resolved.
///
/// An escaped slash stays escaped, and `;parameters` stay: they are part of the name that the path
/// spells.
pub(super) fn canonical(path: &[u8]) -> Cow<'_, [u8]> {
    if path.iter().copied().all(stands_for_itself) && step::is_resolved(path) {
        return Cow::Borrowed(path);
    }
    let mut decoded = Vec::with_capacity(path.len());
    step::decode_unreserved(path, &mut decoded);
    let mut spelled = Vec::with_capacity(decoded.len());
    let mut rest = &*decoded;
    while let [first, tail @ ..] = rest {
        match (first, step::escape(tail)) {
            (b'%', Some((byte, after))) => {
                escape(byte, &mut spelled);
                rest = after;
            }
            (&byte, _) => {
                if stands_for_itself(byte) {
                    spelled.push(byte);
                } else {
                    escape(byte, &mut spelled);
                }
                rest = tail;
            }
        }
    }
    let mut resolved = Vec::with_capacity(spelled.len());
    step::resolve(&spelled, &mut resolved);
    Cow::Owned(resolved)
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |half: u8| DIGITS.get(usize::from(half & 15)).copied();
    out.push(b'%');
    out.extend(digit(byte >> 4).into_iter().chain(digit(byte)));
}

/// Stands in a path as it is (RFC 3986, 3.3).
fn stands_for_itself(byte: u8) -> bool {
    step::is_unreserved(byte) || b"/!$&'()*+,;=:@".contains(&byte)
}
