//! What serde says, in the words of the document.

use gabion_inspect::{ConfigError, ConfigPath, Problem};

use crate::dom::{Dom, PathSegment};

/// Something wrong at a place of the document.
#[derive(Debug)]
pub(crate) struct Issue {
    pub(crate) place: ConfigPath,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Whether something is not there, which may be because it could not be read.
    pub(crate) lacks: bool,
}

/// What a value or key is not, told by serde.
#[derive(Debug)]
pub(crate) struct SerdeIssue<'s> {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Whether a key is not there, rather than something being there that should not.
    pub(crate) missing: bool,
    /// The known word that was meant, most likely.
    pub(crate) meant: Option<&'s str>,
}

/// Keys of the design that a later version enforces, with their sections.
const LATER: [(&str, &str); 1] = [("ban", "longest")];

/// Sections and keys that had another name in documents written before 0.1.0: section, old, new.
const RENAMED: [(&str, &str, &str); 1] = [("", "sanity", "protocol")];

/// A longer word is not a misspelled key, and comparing costs the product of the lengths.
const MAX_MISSPELT: usize = 64;

// === impl Fault ===

impl Issue {
    pub(crate) fn new(place: ConfigPath, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            help: None,
            lacks: false,
        }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<ConfigError> for Issue {
    fn from(error: ConfigError) -> Self {
        Self {
            lacks: matches!(error.problem, Problem::NothingToMatch { .. }),
            ..Self::new(error.place, error.problem.to_string())
        }
    }
}

// === impl Misfit ===

impl<'s> SerdeIssue<'s> {
    /// Reads what serde said about the key or value at `path`.
    pub(crate) fn read(said: &'s str, path: &[PathSegment], dom: &Dom<'_>) -> Self {
        let key = match path.last() {
            Some(PathSegment::Key(key)) => key.as_str(),
            _ => "",
        };
        if let Some(known) = words(said, "unknown field", key) {
            return Self::unknown_key(key, path, &known);
        }
        let value = dom
            .get(path)
            .and_then(|value| value.get_ref().as_str())
            .unwrap_or_default();
        if let Some(known) = words(said, "unknown variant", value) {
            return Self::new(format!("`{value}` is none of the known values"))
                .suggest(value, &known);
        }
        let mut serde_issue = Self::new(said.trim_end().to_owned());
        if let Some(key) = said.strip_prefix("missing field ") {
            serde_issue.missing = true;
            serde_issue.message = format!("{key} is missing here");
            serde_issue.help = (key == "`version`").then(|| "begin with `version = 1`".into());
        }
        serde_issue
    }

    fn unknown_key(key: &str, path: &[PathSegment], known: &[&'s str]) -> Self {
        let section = match path {
            [PathSegment::Key(section), _, ..] => section.as_str(),
            _ => "",
        };
        let serde_issue = Self::new(format!("unknown key `{key}`"));
        if LATER.contains(&(section, key)) {
            let help = "this version does not enforce it yet, so it does not accept it either";
            return Self {
                help: Some(help.into()),
                ..serde_issue
            };
        }
        let renamed = |(of, old, _): &&(&str, &str, &str)| *of == section && *old == key;
        if let Some((_, _, new)) = RENAMED.iter().find(renamed) {
            return Self {
                help: Some(format!("it is called `{new}` now")),
                ..serde_issue
            };
        }
        serde_issue.suggest(key, known)
    }

    const fn new(message: String) -> Self {
        Self {
            message,
            help: None,
            missing: false,
            meant: None,
        }
    }

    fn suggest(self, found: &str, known: &[&'s str]) -> Self {
        let meant = nearest(found, known);
        let question = meant
            .map(|word| format!("did you mean `{word}`? "))
            .unwrap_or_default();
        let all: Vec<_> = known.iter().map(|word| format!("`{word}`")).collect();
        Self {
            help: Some(format!("{question}known here: {}", all.join(", "))),
            meant,
            ..self
        }
    }
}

/// The words that serde expected when it met `found`: each stands between backticks.
fn words<'s>(said: &'s str, what: &str, found: &str) -> Option<Vec<&'s str>> {
    let rest = said.strip_prefix(what)?.strip_prefix(" `")?;
    let expected = rest.strip_prefix(found)?.strip_prefix("`, ")?;
    Some(expected.split('`').skip(1).step_by(2).collect())
}

/// The known word that a third of its letters, mistyped, makes `found`.
fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    if found.len() > MAX_MISSPELT {
        return None;
    }
    let near = |word: &&&str| distance(found, word) <= (word.len() / 3).max(1);
    known
        .iter()
        .filter(near)
        .min_by_key(|word| distance(found, word))
        .copied()
}

fn distance(found: &str, word: &str) -> usize {
    strsim::damerau_levenshtein(&found.to_ascii_lowercase(), word)
}
