//! From text to a document, with every error of the text at once.
//!
//! Serde alone says what shape a document has, and it stops at its first error. So what it stopped
//! at is noted, taken out of the parsed document, and the rest is read again, until it reads.
//! Nothing that follows from what was taken out is told as an error of its own.

use std::ops::Range;

use gabion_inspect::ConfigPath;
use toml::{
    Spanned,
    de::{DeValue, Error},
};

use crate::{
    Document, PolicyError, budget,
    diagnostic::{Diagnostic, SourceText},
    dom::{Dom, PathSegment},
    issue::{Issue, SerdeIssue},
};

/// A document that was read as far as it could be.
#[derive(Debug)]
pub(crate) struct ParsedDocument<'t> {
    /// What could be read; the default where nothing could.
    pub(crate) document: Document,
    source: SourceText<'t>,
    /// What `document` was read from: what could not be read is taken out.
    dom: Dom<'t>,
    errors: Vec<Diagnostic>,
    /// The rules that something was taken out of, by the span of their header.
    damaged: Vec<Range<usize>>,
    /// Whether the text has syntax errors: what is missing may stand in the broken part.
    broken: bool,
}

impl<'t> ParsedDocument<'t> {
    /// How many errors of one document are told.
    const MAX_ERRORS: usize = 64;

    /// Reads `text`, which errors call `name`.
    pub(crate) fn read(text: &'t str, name: &'t str) -> Self {
        let source = SourceText { name, text };
        if text.len() as u64 > budget::DOCUMENT_BYTES {
            let message = format!(
                "the document has more than {} bytes",
                budget::DOCUMENT_BYTES
            );
            let mut parsed = Self::parse(SourceText { name, text: "" });
            parsed.errors.push(source.error(0..0, &message));
            return parsed;
        }
        let mut parsed = Self::parse(source);
        parsed.document = loop {
            match parsed.dom.read() {
                Ok(document) => break document,
                Err(error) if parsed.settle(&error) => {}
                Err(_) => break Document::default(),
            }
        };
        parsed
    }

    /// Whether anything is wrong so far.
    pub(crate) fn is_sound(&self) -> bool {
        self.errors.is_empty()
    }

    /// Notes what is wrong with the meaning of the document.
    pub(crate) fn blame(&mut self, issues: impl IntoIterator<Item = Issue>) {
        for issue in issues {
            let rule = ConfigPath {
                key: "",
                entry: None,
                ..issue.place
            };
            let excused = issue.lacks && self.excuses(&self.dom.locate(&rule));
            if !excused && self.errors.len() < Self::MAX_ERRORS {
                let span = self.dom.locate(&issue.place);
                let told = self.source.error(span, &issue.message);
                self.errors.push(told.with_help(issue.help));
            }
        }
    }

    /// Something worth a look.
    pub(crate) fn warn(&self, issue: Issue) -> Diagnostic {
        let span = self.dom.locate(&issue.place);
        let told = self.source.warning(span, &issue.message);
        told.with_help(issue.help)
    }

    /// Everything that is wrong.
    pub(crate) fn refuse(self) -> PolicyError {
        PolicyError::new(self.errors)
    }

    /// Parses, and takes out what has syntax errors.
    fn parse(source: SourceText<'t>) -> Self {
        let (dom, errors) = Dom::parse(source.text);
        let mut parsed = Self {
            document: Document::default(),
            source,
            dom,
            errors: Vec::new(),
            damaged: Vec::new(),
            broken: !errors.is_empty(),
        };
        parsed.take_broken(&errors);
        parsed
    }

    /// Takes out what has syntax errors. A bracket that is never closed is told where it opens, and
    /// what the parser said of the lines that it swallowed is passed over.
    fn take_broken(&mut self, errors: &[Error]) {
        let unclosed = |error: &&Error| {
            let said = error.message();
            said.starts_with("unclosed array,") || said.starts_with("unclosed inline table,")
        };
        let ends = errors.iter().filter(unclosed).filter_map(Error::span);
        let mut swallowed: Vec<_> = ends.map(|end| self.dom.widest_to(end.end)).collect();
        swallowed.dedup();
        let outside = |span: &Range<usize>| {
            let mut lost = swallowed.iter();
            !lost.any(|lost| lost.start <= span.start && span.end <= lost.end)
        };
        let opened = swallowed.iter().map(|lost| lost.start..lost.start + 1);
        let opened = opened.map(|bracket| (bracket, "this bracket is never closed"));
        let place = |error: &Error| error.span().unwrap_or_default();
        let said = errors.iter().map(|error| (place(error), error.message()));
        let said = said.filter(|(span, _)| outside(span));
        for (span, message) in opened.chain(said).take(Self::MAX_ERRORS) {
            self.errors.push(self.source.error(span.clone(), message));
            self.take(&self.dom.innermost(&span));
        }
    }

    /// Notes `error` and takes out what it is about; says whether to go on.
    fn settle(&mut self, error: &Error) -> bool {
        if self.errors.len() == Self::MAX_ERRORS {
            return false;
        }
        let span = error.span().unwrap_or_default();
        let path = self.dom.innermost(&span);
        let serde_issue = SerdeIssue::read(error.message(), &path, &self.dom);
        if !(serde_issue.missing && self.excuses(&span)) {
            let told = self.source.error(span, &serde_issue.message);
            self.errors.push(told.with_help(serde_issue.help));
        }
        match path.as_slice() {
            [] => serde_issue.missing && self.take_version(),
            [_] if serde_issue.meant == Some("version") => self.take(&path) && self.take_version(),
            path => self.take(path),
        }
    }

    /// Whether what the table with this header lacks may have been taken out, or be unreadable.
    fn excuses(&self, header: &Range<usize>) -> bool {
        self.broken || self.damaged.contains(header)
    }

    /// Takes out what stands at `path`, and remembers the rule that it was a part of.
    fn take(&mut self, path: &[PathSegment]) -> bool {
        match path {
            [PathSegment::Key(key)] if key == "version" => return self.take_version(),
            path => {
                let mut steps = path.iter();
                let rule = steps.position(|step| matches!(step, PathSegment::Entry(_)));
                let rule = rule.and_then(|at| self.dom.get(path.get(..=at)?));
                self.damaged.extend(rule.map(Spanned::span));
            }
        }
        self.dom.remove(path)
    }

    /// Puts the one key that every document needs in place of what is there.
    fn take_version(&mut self) -> bool {
        let version = DeValue::parse("1").map(|one| Spanned::new(0..0, one.into_inner()));
        version.is_ok_and(|version| {
            self.dom.put("version", version);
            true
        })
    }
}
