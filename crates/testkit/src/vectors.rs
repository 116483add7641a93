//! Test vectors as tab-separated tables.

/// The rows of a tab-separated table with a header line. Lines that begin with `#` are skipped.
///
/// # Panics
///
/// If the table has no row, so that no test passes without a case, or if a row has a different number
/// of fields than the header.
pub fn rows(table: &str) -> Vec<Vec<&str>> {
    let mut lines = table.lines().filter(|line| !line.starts_with('#'));
    let width = lines.next().expect("a header line").split('\t').count();
    let rows: Vec<Vec<_>> = lines.map(|line| line.split('\t').collect()).collect();
    assert!(!rows.is_empty(), "the table has no rows");
    for row in &rows {
        assert_eq!(row.len(), width, "fields of {row:?}");
    }
    rows
}

/// Decodes `\xNN` escapes: each stands for one byte.
///
/// # Panics
///
/// If `\x` is not followed by two hexadecimal digits.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}
