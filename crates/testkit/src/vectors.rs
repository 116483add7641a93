//! Tables of cases.

/// The rows of a tab-separated table with a head line, `#` lines above it left out.
///
/// # Panics
///
/// Where there is no row, or a row has another number of fields than the head: a test over such a
/// table would prove nothing.
pub fn rows(table: &str) -> Vec<Vec<&str>> {
    let mut lines = table.lines().filter(|line| !line.starts_with('#'));
    let width = lines.next().expect("a head line").split('\t').count();
    let rows: Vec<Vec<_>> = lines.map(|line| line.split('\t').collect()).collect();
    assert!(!rows.is_empty(), "no case in the table");
    for row in &rows {
        assert_eq!(row.len(), width, "fields of {row:?}");
    }
    rows
}

/// The bytes of a text in which `\xNN` stands for one byte.
///
/// # Panics
///
/// Where `\x` is not followed by two hexadecimal digits.
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
