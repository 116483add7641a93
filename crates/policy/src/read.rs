//! Parses a document and collects all of its errors.
//!
//! Serde defines the shape of a document, and stops at the first error. The key or value at which it
//! stops is therefore reported and removed from the parsed tree, and the rest is deserialized again,
//! until it succeeds. A required key that is missing is set to a placeholder. Errors that only follow
//! from a removal are not reported.

use std::ops::Range;

use gabion_inspect::ConfigPath;
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeValue, Error},
};

use crate::{
    Document, PolicyError, budget,
    diagnostic::{Diagnostic, SourceText},
    issue::{Issue, SerdeIssue},
    toml_tree::{PathSegment, TomlTree},
};

/// A document in TOML that is read like a policy, for example the configuration of a server.
///
/// It has a key `version` of the value 1.
pub trait TomlDocument: Default + for<'de> Deserialize<'de> {
    /// The required keys, with values that cause no error when the key is missing: then one error is reported,
    /// and the rest is read. `#` stands for a number that makes an id unique.
    const PLACEHOLDERS: &'static [(&'static str, &'static str)];
}

/// The errors of a [`TomlDocument`] that was read as far as possible.
///
/// # Examples
///
/// ```
/// use gabion_inspect::ConfigPath;
/// use gabion_policy::{DocumentErrors, TomlDocument};
///
/// #[derive(Default, serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Server {
///     version: u32,
///     listen: String,
/// }
///
/// impl TomlDocument for Server {
///     const PLACEHOLDERS: &'static [(&'static str, &'static str)] = &[("listen", "127.0.0.1:80")];
/// }
///
/// let text = "version = 1\nlisten = 'localhost'\nlitsen = 'b'\n";
/// let (server, mut errors) = DocumentErrors::read::<Server>(text, "server.toml");
/// errors.add(ConfigPath::new("", "listen"), "not an address", None);
/// assert_eq!((server.version, &*server.listen), (1, "localhost"));
/// let error = errors.into_result(server).err().unwrap();
/// let shown: Vec<_> = error.diagnostics().iter().map(|error| (error.line(), error.message())).collect();
/// assert_eq!(shown, [(2, "not an address"), (3, "unknown key `litsen`; did you mean `listen`?")]);
/// ```
#[derive(Debug)]
pub struct DocumentErrors<'t> {
    source: SourceText<'t>,
    /// The parsed text without the parts that could not be read, to locate errors.
    tree: TomlTree<'t>,
    errors: Vec<Diagnostic>,
    /// The header spans of the rules from which a part was removed.
    damaged: Vec<Range<usize>>,
    /// The removed keys, or the known keys that were most likely intended, with the spans of the
    /// tables that they were in.
    removed: Vec<(Range<usize>, String)>,
    /// The known placeholders, and the number of those that were set.
    known_placeholders: &'static [(&'static str, &'static str)],
    placeholders: u32,
    /// `true` if the text has syntax errors, so that a missing key may be in the unreadable part.
    has_syntax_errors: bool,
}

// === impl Document ===

impl TomlDocument for Document {
    const PLACEHOLDERS: &'static [(&'static str, &'static str)] = &[
        ("id", "unread-#"),
        ("path", "/unread-#"),
        ("rate", "10/m"),
        ("request", "/"),
        ("verdict", "pass"),
    ];
}

impl Document {
    /// Parses a document without compiling it. Keys and value types are checked; the rules are not
    /// (see [`check`](crate::check)). `name` is the file name in errors.
    ///
    /// # Errors
    ///
    /// Every syntax error, unknown key and invalid value of `text`, each with its position.
    pub fn parse(text: &str, name: &str) -> Result<Self, PolicyError> {
        let (document, errors) = DocumentErrors::read::<Self>(text, name);
        errors.into_result(document)
    }
}

// === impl DocumentErrors ===

impl<'t> DocumentErrors<'t> {
    /// The maximum number of errors reported for one document.
    const MAX_ERRORS: usize = 64;

    /// Reads `text`, whose file name in errors is `name`. Returns the valid part of the document; the
    /// default if none could be read.
    pub fn read<T: TomlDocument>(text: &'t str, name: &'t str) -> (T, Self) {
        let source = SourceText { name, text };
        if text.len() as u64 > budget::DOCUMENT_BYTES {
            let limit = budget::DOCUMENT_BYTES;
            let message = format!("the document is larger than the limit of {limit} bytes");
            let mut errors = Self::parse(SourceText { name, text: "" }, T::PLACEHOLDERS);
            errors.errors.push(source.error(0..0, &message));
            return (T::default(), errors);
        }
        let mut errors = Self::parse(source, T::PLACEHOLDERS);
        let document = loop {
            match errors.tree.deserialize() {
                Ok(document) => break document,
                Err(error) if errors.report_and_remove(&error) => {}
                Err(_) => break T::default(),
            }
        };
        (document, errors)
    }

    /// Returns `true` if there are no errors so far.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Adds an error about the content of the document, which is shown at `path`, with help.
    pub fn add(&mut self, path: ConfigPath, message: impl Into<String>, help: Option<String>) {
        let issue = Issue::new(path, message);
        self.report([Issue { help, ..issue }]);
    }

    /// Returns `document` if there are no errors.
    ///
    /// # Errors
    ///
    /// All errors.
    pub fn into_result<T>(self, document: T) -> Result<T, PolicyError> {
        if self.is_empty() {
            Ok(document)
        } else {
            Err(self.into_error())
        }
    }

    /// Adds errors about the content of the document.
    pub(crate) fn report(&mut self, issues: impl IntoIterator<Item = Issue>) {
        for issue in issues {
            let rule = ConfigPath {
                key: "",
                entry: None,
                ..issue.path
            };
            let follows = issue.is_missing && self.may_be_unread(&self.tree.locate(&rule));
            if !follows && self.errors.len() < Self::MAX_ERRORS {
                let span = self.tree.locate(&issue.path);
                let error = self.source.error(span, &issue.message);
                self.errors.push(error.with_help(issue.help));
            }
        }
    }

    /// Locates issues as warnings.
    pub(crate) fn warnings(&self, issues: Vec<Issue>) -> Vec<Diagnostic> {
        let warnings = issues.into_iter().map(|issue| {
            let span = self.tree.locate(&issue.path);
            let warning = self.source.warning(span, &issue.message);
            warning.with_help(issue.help)
        });
        warnings.collect()
    }

    /// The error with everything reported so far.
    pub(crate) fn into_error(self) -> PolicyError {
        PolicyError::new(self.errors)
    }

    /// Parses the text, and removes the parts with syntax errors.
    fn parse(
        source: SourceText<'t>,
        known_placeholders: &'static [(&'static str, &'static str)],
    ) -> Self {
        let (tree, syntax_errors) = TomlTree::parse(source.text);
        let mut errors = Self {
            source,
            tree,
            errors: Vec::new(),
            damaged: Vec::new(),
            removed: Vec::new(),
            known_placeholders,
            placeholders: 0,
            has_syntax_errors: !syntax_errors.is_empty(),
        };
        errors.report_syntax_errors(&syntax_errors);
        errors
    }

    /// Reports the syntax errors and removes the parts that they are in. An unclosed bracket is
    /// reported where it opens, and the parser's errors in the text after it are dropped.
    fn report_syntax_errors(&mut self, errors: &[Error]) {
        let unclosed = |error: &&Error| {
            let message = error.message();
            message.starts_with("unclosed array,") || message.starts_with("unclosed inline table,")
        };
        let ends = errors.iter().filter(unclosed).filter_map(Error::span);
        let ends = ends.map(|end| self.tree.widest_ending_at(end.end));
        let mut unclosed: Vec<_> = ends.collect();
        unclosed.dedup();
        let outside = |span: &Range<usize>| {
            let mut ranges = unclosed.iter();
            !ranges.any(|range| range.start <= span.start && span.end <= range.end)
        };
        let opened = unclosed.iter().map(|range| range.start..range.start + 1);
        let opened = opened.map(|bracket| (bracket, "unclosed bracket"));
        let span = |error: &Error| error.span().unwrap_or_default();
        let others = errors.iter().map(|error| (span(error), error.message()));
        let others = others.filter(|(span, _)| outside(span));
        for (span, message) in opened.chain(others).take(Self::MAX_ERRORS) {
            self.errors.push(self.source.error(span.clone(), message));
            self.remove(&self.tree.innermost(&span));
        }
    }

    /// Reports `error` and removes the key or value that it is about. Returns `false` if nothing was
    /// removed, so that the document cannot be read.
    fn report_and_remove(&mut self, error: &Error) -> bool {
        if self.errors.len() == Self::MAX_ERRORS {
            return false;
        }
        let span = error.span().unwrap_or_default();
        let path = self.tree.innermost(&span);
        let issue = SerdeIssue::parse(error.message(), &path, &self.tree);
        let follows = |key: &str| {
            let mut removed = self.removed.iter();
            self.has_syntax_errors || removed.any(|(table, name)| *table == span && name == key)
        };
        if !issue.missing.is_some_and(follows) {
            let error = self.source.error(span, &issue.message);
            self.errors.push(error.with_help(issue.help));
        }
        match (path.as_slice(), issue.missing) {
            ([], missing) => missing.is_some() && self.set_version(),
            ([_], _) if issue.suggestion == Some("version") => {
                self.remove(&path) && self.set_version()
            }
            (path, Some(missing)) => self.set_placeholder(path, missing) || self.remove(path),
            ([table @ .., PathSegment::Key(key)], None) => {
                let table = self.tree.get(table).map(Spanned::span).unwrap_or_default();
                let key = issue.suggestion.unwrap_or(key).to_owned();
                self.removed.push((table, key));
                self.remove(&path)
            }
            (path, None) => self.remove(path),
        }
    }

    /// Sets the required `key` of the table at `path`, so that the rest of it can be read. Returns
    /// `false` if the key is not known.
    fn set_placeholder(&mut self, path: &[PathSegment], key: &str) -> bool {
        let mut known = self.known_placeholders.iter();
        let placeholder = known.find(|(name, _)| *name == key);
        let Some(&(key, text)) = placeholder else {
            return false;
        };
        self.placeholders += 1;
        let text = text.replace('#', &self.placeholders.to_string());
        self.tree.set_text(path, key, text)
    }

    /// Returns `true` if a key that is missing from the table with this header may have been removed,
    /// or be in an unreadable part.
    fn may_be_unread(&self, header: &Range<usize>) -> bool {
        self.has_syntax_errors || self.damaged.contains(header)
    }

    /// Removes the value at `path`, and marks the rule that it was a part of as damaged.
    fn remove(&mut self, path: &[PathSegment]) -> bool {
        match path {
            [PathSegment::Key(key)] if key == "version" => return self.set_version(),
            path => {
                let mut steps = path.iter();
                let rule = steps.position(|step| matches!(step, PathSegment::Entry(_)));
                let rule = rule.and_then(|index| self.tree.get(path.get(..=index)?));
                self.damaged.extend(rule.map(Spanned::span));
            }
        }
        self.tree.remove(path)
    }

    /// Sets the only required key, so that the rest of the document can be read.
    fn set_version(&mut self) -> bool {
        let version = DeValue::parse("1").map(|one| Spanned::new(0..0, one.into_inner()));
        version.is_ok_and(|version| {
            self.tree.set("version", version);
            true
        })
    }
}
