//! One JSON object on one line.

use std::fmt::{self, Write as _};

/// Writes the members of a JSON object. Every key is a dotted ECS name, so that there is no nesting.
pub(super) struct JsonObject<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

/// Writes text as the content of a JSON string (RFC 8259, 7).
struct JsonText<'o>(&'o mut Vec<u8>);

// === impl JsonObject ===

impl<'o> JsonObject<'o> {
    /// Begins an object at the end of `out`.
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    /// Ends the object, and the line.
    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    /// Adds a string.
    pub(super) fn text(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key);
        self.string(value);
    }

    /// Adds a string, if there is one and it is not empty.
    pub(super) fn optional(&mut self, key: &str, value: Option<impl fmt::Display>) {
        let Some(value) = value else { return };
        let (begin, was_empty) = (self.out.len(), self.is_empty);
        self.text(key, value);
        if self.out.ends_with(b":\"\"") {
            self.out.truncate(begin);
            self.is_empty = was_empty;
        }
    }

    /// Adds a number.
    pub(super) fn number(&mut self, key: &str, value: impl Into<u64>) {
        self.key(key);
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value.into());
        self.out.extend_from_slice(digits.as_bytes());
    }

    /// Adds an array of strings.
    pub(super) fn texts(&mut self, key: &str, values: impl IntoIterator<Item = impl fmt::Display>) {
        self.key(key);
        self.out.push(b'[');
        for (nth, value) in values.into_iter().enumerate() {
            if nth > 0 {
                self.out.push(b',');
            }
            self.string(value);
        }
        self.out.push(b']');
    }

    /// Adds `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        let word: &[u8] = if value { b"true" } else { b"false" };
        self.out.extend_from_slice(word);
    }

    fn key(&mut self, key: &str) {
        let separator: &[u8] = if self.is_empty { b"\"" } else { b",\"" };
        self.is_empty = false;
        self.out.extend_from_slice(separator);
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn string(&mut self, value: impl fmt::Display) {
        self.out.push(b'"');
        // Writing to a vector does not fail; a `Display` that fails leaves the begin of its text.
        let _ = write!(JsonText(self.out), "{value}");
        self.out.push(b'"');
    }
}

// === impl JsonText ===

impl fmt::Write for JsonText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        let bytes = text.as_bytes();
        for (at, &byte) in bytes.iter().enumerate() {
            if !matches!(byte, b'"' | b'\\' | ..=0x1f | 0x7f) {
                continue;
            }
            self.0
                .extend_from_slice(bytes.get(plain..at).unwrap_or_default());
            plain = at + 1;
            match byte {
                b'"' => self.0.extend_from_slice(b"\\\""),
                b'\\' => self.0.extend_from_slice(b"\\\\"),
                b'\n' => self.0.extend_from_slice(b"\\n"),
                control => {
                    self.0.extend_from_slice(b"\\u00");
                    self.0.extend([control >> 4, control & 0xf].map(hex_digit));
                }
            }
        }
        self.0
            .extend_from_slice(bytes.get(plain..).unwrap_or_default());
        Ok(())
    }
}

const fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'a' + value - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_have_no_control_characters_and_parse_to_the_same() {
        let text = "a\"b\\c\n\r\t\0\u{1b}[2J\u{7f}é\u{2028}";
        let mut out = Vec::new();
        let mut object = JsonObject::begin(&mut out);
        object.text("a", text);
        object.optional("empty", Some(""));
        object.optional("none", None::<&str>);
        object.number("b", 7u32);
        object.texts("c", ["x", "y"]);
        object.boolean("d", true);
        object.end();
        assert_eq!(out.iter().filter(|byte| byte.is_ascii_control()).count(), 1);
        let parsed: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({ "a": text, "b": 7, "c": ["x", "y"], "d": true });
        assert_eq!(parsed, expected);
    }
}
