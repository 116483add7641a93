//! URLs inside a path, as archives and proxies have them: `/proxy/https://example.com/page.aspx`.

/// Returns `true` if a URL begins in this segment: `http:` or `https:`, escaped or not, at the beginning or
/// after another character than a letter or digit.
pub(super) fn begins_in(segment: &[u8]) -> bool {
    const SCHEME: &[u8] = b"http";
    let mut before = None;
    segment.iter().enumerate().any(|(at, byte)| {
        let is_start = before
            .replace(byte)
            .is_none_or(|byte| !byte.is_ascii_alphanumeric());
        let rest = segment.get(at..).unwrap_or_default();
        is_start
            && strip_prefix(rest, SCHEME).is_some_and(|rest| {
                let rest = strip_prefix(rest, b"s").unwrap_or(rest);
                [&b":"[..], b"%3a", b"%253a"]
                    .iter()
                    .any(|colon| strip_prefix(rest, colon).is_some())
            })
    })
}

/// Removes `prefix` in any case.
fn strip_prefix<'s>(bytes: &'s [u8], prefix: &[u8]) -> Option<&'s [u8]> {
    let (start, rest) = bytes.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
