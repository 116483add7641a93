//! What the JSON formats share: whose it is, and where in it an entry stands.
//!
//! Networks are borrowed from the text, so that each knows its place; one that is written with
//! escapes, which none needs, is refused.

use gabion_core::Evidence;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Deserializer, Error};

use super::{At, Entries, ListProblem, Refusal, aws, drop, google, network};

/// What tells the formats apart, in the first object of a text.
#[derive(Deserialize)]
struct Keys {
    prefixes: Option<IgnoredAny>,
    ipv6_prefixes: Option<IgnoredAny>,
    cidr: Option<IgnoredAny>,
}

/// A place that moves on through a text.
struct Cursor<'t> {
    rest: &'t str,
    line: usize,
    column: usize,
}

pub(super) fn read(text: &str) -> Result<Entries, Refusal> {
    let Some(keys) = Deserializer::from_str(text).into_iter::<Keys>().next() else {
        return Ok(Entries::default());
    };
    let networks = match keys.map_err(|error| refuse(text, 0, &error))? {
        Keys { cidr: Some(_), .. } => drop::networks(text),
        Keys {
            ipv6_prefixes: Some(_),
            ..
        } => aws::networks(text),
        Keys {
            prefixes: Some(_), ..
        } => google::networks(text),
        _ => Err(At::new(0, 0).refuse(ListProblem::UnknownJson)),
    };
    collect(text, networks?)
}

/// Reads the one object of `text`.
pub(super) fn object<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|error| refuse(text, 0, &error))
}

/// What the reader of JSON says, and where, of a text that begins `above` lines below the first.
pub(super) fn refuse(text: &str, above: usize, error: &Error) -> Refusal {
    let said = error.to_string();
    let (said, _place) = said.rsplit_once(" at line ").unwrap_or((&said, ""));
    let line = error.line().saturating_sub(1);
    let read = text.split('\n').nth(line).unwrap_or_default();
    // It counts bytes.
    let before = read.floor_char_boundary(error.column().saturating_sub(1));
    let column = read.get(..before).map_or(0, |read| read.chars().count());
    let at = At::new(above + line, column);
    at.refuse(ListProblem::Json(Evidence::new(said.as_bytes())))
}

/// Takes `networks`, which are parts of `text`, each with its line.
fn collect(text: &str, mut networks: Vec<&str>) -> Result<Entries, Refusal> {
    networks.sort_unstable_by_key(|part| part.as_ptr());
    let mut entries = Entries::default();
    let mut cursor = Cursor::new(text);
    for part in networks {
        let at = cursor.reach(part);
        let network = network(part).map_err(|problem| at.refuse(problem))?;
        entries.push(network, at)?;
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

    /// Moves on to where `part` of the text begins.
    fn reach(&mut self, part: &str) -> At {
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
        At::new(self.line, self.column)
    }
}
