//! What serde says, in the words of the document.

use gabion_inspect::{ConfigError, Place};

use crate::dom::{Dom, Step};

/// Something wrong at a place of the document.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// What a value or key is not, told by serde.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Whether a key is not there, rather than something being there that should not.
    pub(crate) missing: bool,
}

/// Keys of the design that a later version enforces, each with its section.
const LATER: [(&str, &str); 5] = [
    ("", "limit"),
    ("", "packs"),
    ("", "scan"),
    ("", "upgrade"),
    ("ban", "longest"),
];

/// A longer word is not a misspelt key, and comparing costs the product of the lengths.
const MAX_MISSPELT: usize = 64;

// === impl Fault ===

impl Fault {
    pub(crate) fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::new(error.place, error.problem.to_string())
    }
}

// === impl Misfit ===

impl Misfit {
    /// Reads what serde said about the value or key at `path`.
    ///
    /// Serde has words only for what it expected; [`words`] takes them apart, and a test holds
    /// them to the ones serde uses.
    pub(crate) fn read(said: &str, path: &[Step], dom: &Dom<'_>) -> Self {
        let key = match path.last() {
            Some(Step::Key(key)) => key.as_str(),
            _ => "",
        };
        if let Some(known) = words(said, "unknown field", key) {
            return Self::unknown_key(key, path, &known);
        }
        let value = dom.get(path).and_then(|value| value.get_ref().as_str());
        if let Some((value, known)) =
            value.and_then(|v| Some((v, words(said, "unknown variant", v)?)))
        {
            return Self::new(format!("`{value}` is none of the known values"))
                .with_help(suggestion(value, &known));
        }
        match said.strip_prefix("missing field ") {
            Some("`version`") => Self::missing("`version` is missing".into())
                .with_help("begin the document with `version = 1`".into()),
            Some(key) => Self::missing(format!("{key} is missing here")),
            None => Self::new(said.trim_end().to_owned()),
        }
    }

    fn unknown_key(key: &str, path: &[Step], known: &[&str]) -> Self {
        let section = match path {
            [Step::Key(section), _, ..] => section.as_str(),
            _ => "",
        };
        let help = if LATER.contains(&(section, key)) {
            "this version does not enforce it yet, so it does not accept it either".into()
        } else {
            suggestion(key, known)
        };
        Self::new(format!("unknown key `{key}`")).with_help(help)
    }

    fn new(message: String) -> Self {
        Self {
            message,
            help: None,
            missing: false,
        }
    }

    fn missing(message: String) -> Self {
        Self {
            missing: true,
            ..Self::new(message)
        }
    }

    fn with_help(mut self, help: String) -> Self {
        self.help = Some(help);
        self
    }
}

/// The words that serde expected when it met `found`: each stands between backticks.
fn words<'s>(said: &'s str, what: &str, found: &str) -> Option<Vec<&'s str>> {
    let rest = said.strip_prefix(what)?.strip_prefix(" `")?;
    let expected = rest.strip_prefix(found)?.strip_prefix("`, ")?;
    Some(expected.split('`').skip(1).step_by(2).collect())
}

fn suggestion(found: &str, known: &[&str]) -> String {
    let all = known.iter().map(|word| format!("`{word}`"));
    let all = format!("known here: {}", all.collect::<Vec<_>>().join(", "));
    match nearest(found, known) {
        Some(word) => format!("did you mean `{word}`? {all}"),
        None => all,
    }
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
