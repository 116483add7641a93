//! Errors at a path of the document, and the translation of serde's messages to them.

use gabion_inspect::{ConfigError, ConfigPath, Problem};

use crate::toml_tree::{PathSegment, TomlTree};

/// An error or warning at a path of the document, before it is located in the text.
#[derive(Debug)]
pub(crate) struct Issue {
    pub(crate) path: ConfigPath,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// `true` if something is missing, possibly because it could not be read.
    pub(crate) is_missing: bool,
}

/// An error message of serde, translated.
#[derive(Debug)]
pub(crate) struct SerdeIssue<'s> {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// The required key that is missing; `None` for an unexpected key or value.
    pub(crate) missing: Option<&'s str>,
    /// The known word that was most likely intended.
    pub(crate) suggestion: Option<&'s str>,
}

/// Sections and keys that had another name before 0.1.0: section, old name, new name.
const RENAMED: [(&str, &str, &str); 1] = [("", "sanity", "protocol")];

/// The maximum length of a word that is compared with known words, in bytes. A longer one is not a
/// misspelled key, and the cost of the comparison is the product of the lengths.
const MAX_MISSPELLED: usize = 64;

// === impl Issue ===

impl Issue {
    pub(crate) fn new(path: ConfigPath, message: impl Into<String>) -> Self {
        Self {
            path,
            message: message.into(),
            help: None,
            is_missing: false,
        }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<ConfigError> for Issue {
    fn from(error: ConfigError) -> Self {
        let is_missing = match &error.problem {
            Problem::NothingToMatch { .. } => true,
            Problem::Value { found, .. } => found == "[]",
            _ => false,
        };
        Self {
            is_missing,
            ..Self::new(error.path, error.problem.to_string())
        }
    }
}

// === impl SerdeIssue ===

impl<'s> SerdeIssue<'s> {
    /// Translates serde's `message` about the key or value at `path`.
    pub(crate) fn parse(message: &'s str, path: &[PathSegment], tree: &TomlTree<'_>) -> Self {
        let key = match path.last() {
            Some(PathSegment::Key(key)) => key.as_str(),
            _ => "",
        };
        if let Some(known) = expected_words(message, "unknown field", key) {
            return Self::unknown_key(key, path, &known);
        }
        let value = tree
            .get(path)
            .and_then(|value| value.get_ref().as_str())
            .unwrap_or_default();
        if let Some(known) = expected_words(message, "unknown variant", value) {
            return Self::unknown("value", value, &known);
        }
        let mut issue = Self::new(message.trim_end().to_owned());
        if let Some(key) = message.strip_prefix("missing field ") {
            issue.missing = Some(key.trim_matches('`'));
            issue.message = format!("missing key {key}");
            issue.help =
                (key == "`version`").then(|| "start the document with `version = 1`".into());
        }
        issue
    }

    fn unknown_key(key: &str, path: &[PathSegment], known: &[&'s str]) -> Self {
        let section = match path {
            [PathSegment::Key(section), _, ..] => section.as_str(),
            _ => "",
        };
        let renamed = |(parent, old, _): &&(&str, &str, &str)| *parent == section && *old == key;
        if let Some((_, _, new)) = RENAMED.iter().find(renamed) {
            return Self {
                help: Some(format!("it was renamed: write `{new}`")),
                ..Self::new(format!("unknown key `{key}`"))
            };
        }
        Self::unknown("key", key, known)
    }

    const fn new(message: String) -> Self {
        Self {
            message,
            help: None,
            missing: None,
            suggestion: None,
        }
    }

    /// An unknown `kind` ("key" or "value") with the nearest known one.
    fn unknown(kind: &str, found: &str, known: &[&'s str]) -> Self {
        let suggestion = nearest(found, known);
        let question = match suggestion {
            Some(word) => format!("; did you mean `{word}`?"),
            None => String::new(),
        };
        let all: Vec<_> = known.iter().map(|word| format!("`{word}`")).collect();
        Self {
            help: Some(format!("known {kind}s: {}", all.join(", "))),
            suggestion,
            ..Self::new(format!("unknown {kind} `{found}`{question}"))
        }
    }
}

/// The words that serde expected instead of `found`, each in backticks in its message.
fn expected_words<'s>(message: &'s str, problem: &str, found: &str) -> Option<Vec<&'s str>> {
    let rest = message.strip_prefix(problem)?.strip_prefix(" `")?;
    let expected = rest.strip_prefix(found)?.strip_prefix("`, ")?;
    Some(expected.split('`').skip(1).step_by(2).collect())
}

/// The nearest known word, if at most a third of its letters differ.
fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    if found.len() > MAX_MISSPELLED {
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
