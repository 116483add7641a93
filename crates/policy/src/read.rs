//! From text to a document, with every error of the text at once.
//!
//! Serde alone says what shape a document has, and it stops at its first error. So what it stopped
//! at is noted, taken out of the parsed document, and the rest is read again, until it reads.
//! Nothing that follows from what was taken out is told as an error of its own.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeValue, Error},
};

use crate::{
    Document, PolicyError, budget,
    diagnostic::{Diagnostic, Source},
    dom::{Dom, Step},
    fault::{Fault, Misfit},
};

/// A document that was read as far as it could be.
#[derive(Debug)]
pub(crate) struct Draft<'t> {
    /// What could be read; the default where nothing could.
    pub(crate) document: Document,
    source: Source<'t>,
    dom: Dom<'t>,
    errors: Vec<Diagnostic>,
}

/// What was taken out of a document so far.
struct Repair<'t> {
    source: Source<'t>,
    dom: Dom<'t>,
    errors: Vec<Diagnostic>,
    /// The rules that something was taken out of, by the span of their header.
    damaged: Vec<Range<usize>>,
    /// Whether the text has syntax errors: what is missing may stand in the broken part.
    broken: bool,
}

// === impl Draft ===

impl<'t> Draft<'t> {
    /// How many errors of one document are told.
    pub(crate) const MAX_ERRORS: usize = 64;

    /// Reads `text`, which errors call `name`.
    pub(crate) fn read(text: &'t str, name: &'t str) -> Self {
        let source = Source { name, text };
        if text.len() as u64 <= budget::DOCUMENT_BYTES {
            return Repair::of(source).run();
        }
        let most = budget::DOCUMENT_BYTES;
        let mut draft = Repair::of(Source { name, text: "" }).run();
        draft.errors =
            vec![source.error(0..0, &format!("the document has more than {most} bytes"))];
        draft
    }

    /// Whether anything is wrong so far.
    pub(crate) fn is_sound(&self) -> bool {
        self.errors.is_empty()
    }

    /// Notes what is wrong with the meaning of the document.
    pub(crate) fn blame(&mut self, faults: impl IntoIterator<Item = Fault>) {
        for fault in faults {
            if self.errors.len() == Self::MAX_ERRORS {
                break;
            }
            let span = self.dom.locate(&fault.place);
            self.errors.push(
                self.source
                    .error(span, &fault.message)
                    .with_help(fault.help),
            );
        }
    }

    /// Something worth a look.
    pub(crate) fn warn(&self, fault: Fault) -> Diagnostic {
        let span = self.dom.locate(&fault.place);
        self.source
            .warning(span, &fault.message)
            .with_help(fault.help)
    }

    /// Everything that is wrong.
    pub(crate) fn refuse(self) -> PolicyError {
        PolicyError::new(self.errors)
    }
}

// === impl Repair ===

impl<'t> Repair<'t> {
    /// Parses, and takes out what has syntax errors.
    fn of(source: Source<'t>) -> Self {
        let (dom, errors) = Dom::parse(source.text);
        let mut repair = Self {
            source,
            broken: !errors.is_empty(),
            dom,
            errors: Vec::new(),
            damaged: Vec::new(),
        };
        repair.take_unclosed(errors);
        repair
    }

    /// Tells an unclosed bracket where it opens, and passes over what the parser said of the lines
    /// that it swallowed.
    fn take_unclosed(&mut self, errors: Vec<Error>) {
        let mut told = Vec::new();
        let mut swallowed: Vec<Range<usize>> = Vec::new();
        for error in errors {
            let span = error.span().unwrap_or_default();
            let unclosed = ["unclosed array,", "unclosed inline table,"];
            if unclosed
                .iter()
                .any(|unclosed| error.message().starts_with(unclosed))
            {
                swallowed.push(self.dom.widest_to(span.end));
            }
            told.push((span, error.message().to_owned()));
        }
        let inside = |span: &Range<usize>| {
            swallowed
                .iter()
                .any(|lost| lost.start <= span.start && span.end <= lost.end)
        };
        told.retain(|(span, _)| !inside(span));
        swallowed.sort_by_key(|lost| lost.start);
        swallowed.dedup();
        let message = "this bracket is never closed, or closed too late".to_owned();
        told.extend(
            swallowed
                .into_iter()
                .map(|lost| (lost.start..lost.start + 1, message.clone())),
        );
        for (span, message) in told.into_iter().take(Draft::MAX_ERRORS) {
            self.errors.push(self.source.error(span.clone(), &message));
            let path = self.dom.innermost(&span);
            self.take(&path);
        }
    }

    /// Reads until the rest reads.
    fn run(mut self) -> Draft<'t> {
        loop {
            let document = match self.dom.read() {
                Ok(document) if self.take_damaged() => {
                    let _: Document = document;
                    continue;
                }
                Ok(document) => document,
                Err(error) if self.errors.len() < Draft::MAX_ERRORS && self.settle(&error) => continue,
                Err(_) => Document::default(),
            };
            return Draft {
                document,
                source: self.source,
                dom: self.dom,
                errors: self.errors,
            };
        }
    }

    /// Notes `error` and takes out what it is about; says whether to go on.
    fn settle(&mut self, error: &Error) -> bool {
        let span = error.span().unwrap_or_default();
        let path = self.dom.innermost(&span);
        let misfit = Misfit::read(error.message(), &path, &self.dom);
        if !(misfit.missing && self.follows(&path)) {
            let told = self.source.error(span, &misfit.message);
            self.errors.push(told.with_help(misfit.help.clone()));
        }
        match path.as_slice() {
            [] => misfit.missing && self.take_version(),
            [_] if misfit.meant == Some("version") => self.take(&path) && self.take_version(),
            path => self.take(path),
        }
    }

    /// Whether what is missing from the table at `path` may have been taken out, or be unreadable.
    fn follows(&self, path: &[Step]) -> bool {
        let header = self.dom.get(path).map(Spanned::span);
        self.broken || header.is_some_and(|header| self.damaged.contains(&header))
    }

    /// Takes out what stands at `path`, and remembers the rule that it was a part of.
    fn take(&mut self, path: &[Step]) -> bool {
        match path {
            [Step::Key(key)] if key == "version" => return self.take_version(),
            [section, rule @ Step::Entry(_), _, ..] => {
                let rule = self.dom.get(&[section.clone(), rule.clone()]);
                self.damaged.extend(rule.map(Spanned::span));
            }
            _ => {}
        }
        self.dom.remove(path)
    }

    /// Puts the one key that every document needs in place of what is there.
    fn take_version(&mut self) -> bool {
        let version = DeValue::parse("1").map(|version| Spanned::new(0..0, version.into_inner()));
        version
            .map(|version| self.dom.put("version", version))
            .is_ok()
    }

    /// Takes out the rules that are not whole; says whether there were any.
    fn take_damaged(&mut self) -> bool {
        let Some(header) = self.damaged.pop() else {
            return false;
        };
        // The list of all rules begins where its first rule does: without this look at the last
        // step, a rule that is gone already would take the list with it.
        let path = self.dom.innermost(&header);
        if matches!(path.last(), Some(Step::Entry(_))) {
            self.dom.remove(&path);
        }
        true
    }
}
