//! Shared parts of the JSON formats: positions of entries and of errors.
//!
//! Networks are slices of the text, from which their positions follow. A network written with JSON
//! escapes is therefore an error; none needs escapes.

use gabion_core::Evidence;
use serde::Deserialize;
use serde_json::Error;

use super::{
    entries::Entries,
    error::{ListProblem, ParseError, Position},
};

/// A position that moves forward through a text.
struct Cursor<'t> {
    rest: &'t str,
    line: usize,
    column: usize,
}

/// Parses the single object of `text`.
pub(super) fn object<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, ParseError> {
    serde_json::from_str(text).map_err(|error| self::error(text, 0, &error))
}

/// Converts an error of `serde_json`. `above` is the number of lines before `text` in the list.
pub(super) fn error(text: &str, above: usize, error: &Error) -> ParseError {
    let message = error.to_string();
    let (message, _position) = message.rsplit_once(" at line ").unwrap_or((&message, ""));
    let line = error.line().saturating_sub(1);
    let read = text.split('\n').nth(line).unwrap_or_default();
    // `serde_json` counts columns in bytes.
    let before = read.floor_char_boundary(error.column().saturating_sub(1));
    let column = read.get(..before).map_or(0, |read| read.chars().count());
    let at = Position::new(above + line, column);
    at.error(ListProblem::Json(Evidence::new(message.as_bytes())))
}

/// Parses `networks`, which are slices of `text`, with their lines.
pub(super) fn entries(text: &str, mut networks: Vec<&str>) -> Result<Entries, ParseError> {
    networks.sort_unstable_by_key(|part| part.as_ptr());
    let mut entries = Entries::default();
    let mut cursor = Cursor::new(text);
    for part in networks {
        let at = cursor.advance_to(part);
        entries.parse(part, at)?;
    }
    Ok(entries)
}

// === impl Cursor ===

impl<'t> Cursor<'t> {
    const fn new(text: &'t str) -> Self {
        Self {
            rest: text,
            line: 0,
            column: 0,
        }
    }

    /// Moves forward to the start of `part`, a slice of the text.
    fn advance_to(&mut self, part: &str) -> Position {
        let ahead = part
            .as_ptr()
            .addr()
            .saturating_sub(self.rest.as_ptr().addr());
        let (passed, rest) = self.rest.split_at_checked(ahead).unwrap_or((self.rest, ""));
        for char in passed.chars() {
            if char == '\n' {
                self.line += 1;
                self.column = 0;
            } else {
                self.column += 1;
            }
        }
        self.rest = rest;
        Position::new(self.line, self.column)
    }
}
