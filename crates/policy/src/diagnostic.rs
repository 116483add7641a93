//! What is wrong with a document, and where: file, line, column, caret, help.

use std::{error::Error, fmt, ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};

/// One thing wrong with a document, or worth a look.
///
/// Whatever it quotes is shown with control and direction characters escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    file: Arc<str>,
    span: Range<usize>,
    line: usize,
    column: usize,
    /// The line, and which of its bytes are meant; nothing of a line that no one could read.
    excerpt: Option<(String, Range<usize>)>,
    message: String,
    help: Option<String>,
}

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document works, but perhaps not as meant.
    Warning,
}

/// Why a document is refused: everything that is wrong with it, in the order of its lines.
///
/// `Display` draws each with its line and a caret, without colors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    diagnostics: Vec<Diagnostic>,
}

/// A document's name and text: what a span points into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceText<'t> {
    pub(crate) name: &'t str,
    pub(crate) text: &'t str,
}

// === impl Diagnostic ===

impl Diagnostic {
    /// The file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The bytes of the file that are meant.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The line, from 1.
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    pub const fn column(&self) -> usize {
        self.column
    }

    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    pub(crate) fn with_help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into().map(|help| printable(&help));
        self
    }

    fn draw(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&self.message);
        let place = match &self.excerpt {
            Some((line, caret)) => Snippet::source(line)
                .path(self.file.as_ref())
                .line_start(self.line)
                .annotation(AnnotationKind::Primary.span(caret.clone()))
                .into(),
            None => Origin::path(self.file.as_ref())
                .line(self.line)
                .char_column(self.column)
                .into(),
        };
        let help = self
            .help
            .as_deref()
            .map(|help| Level::HELP.message(help).into());
        let elements: [Option<Element<'_>>; 2] = [Some(place), help];
        renderer.render(&[title.elements(elements.into_iter().flatten())])
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.draw(&Renderer::plain()))
    }
}

// === impl PolicyError ===

impl PolicyError {
    pub(crate) fn new(mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        Self { diagnostics }
    }

    /// Everything that is wrong, in the order of the document's lines.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Draws everything like `Display`, with colors for a terminal.
    pub fn in_color(&self) -> String {
        self.draw(&Renderer::styled())
    }

    fn draw(&self, renderer: &Renderer) -> String {
        let drawn = self.diagnostics.iter().map(|one| one.draw(renderer));
        drawn.collect::<Vec<_>>().join("\n\n")
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.draw(&Renderer::plain()))
    }
}

impl Error for PolicyError {}

// === impl Source ===

impl SourceText<'_> {
    /// How long a line may be that is drawn.
    const MAX_LINE: usize = 1000;

    /// Something wrong at `span`, which is brought within the text.
    pub(crate) fn error(self, span: Range<usize>, message: &str) -> Diagnostic {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end.max(start));
        let (before, after) = self.text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line_end = after.find('\n').map_or(self.text.len(), |end| start + end);
        let line = self.text.get(line_start..line_end).unwrap_or_default();
        let caret = start - line_start..end.min(line_end) - line_start;
        Diagnostic {
            severity: Severity::Error,
            file: printable(self.name).into(),
            span: start..end,
            line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: line
                .get(..caret.start)
                .map_or(0, |before| before.chars().count())
                + 1,
            excerpt: (line.len() <= Self::MAX_LINE).then(|| (line.to_owned(), caret)),
            message: printable(message),
            help: None,
        }
    }

    /// Something worth a look at `span`.
    pub(crate) fn warning(self, span: Range<usize>, message: &str) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..self.error(span, message)
        }
    }

    /// Something wrong with the file as a whole.
    pub(crate) fn refuse(self, message: &str) -> PolicyError {
        PolicyError::new(vec![self.error(0..0, message)])
    }
}

/// Escapes what would let a document draw on the terminal that shows it.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let draws = c.is_control() && c != '\n';
        let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if draws || turns {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}
