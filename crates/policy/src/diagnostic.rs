//! Errors and warnings with file, line, column, caret and help.

use std::{error::Error, fmt, ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};

/// One error or warning about a policy document, with its position.
///
/// `Display` renders it in the style of rustc, with the line of the document and a caret. Control
/// characters and text-direction characters of the document are escaped, so that it cannot write
/// to the terminal that shows the error. [`PolicyError::diagnostics`] and
/// [`Report::warnings`](crate::Report::warnings) return diagnostics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    file: Arc<str>,
    span: Range<usize>,
    line: usize,
    column: usize,
    /// The line and the marked byte range in it; `None` if the line is too long to show.
    excerpt: Option<(String, Range<usize>)>,
    message: String,
    help: Option<String>,
}

/// The severity of a [`Diagnostic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document is accepted, but possibly does not do what was intended.
    Warning,
}

/// The errors of a refused policy document, in the order of its lines.
///
/// `Display` renders each [`Diagnostic`] with its line and a caret, without colors. `Debug` prints
/// the same text, so that a `main` which returns `Result<(), PolicyError>` shows the carets.
///
/// # Examples
///
/// ```
/// let error = gabion_policy::check("version = 1\nmode = 'enfroce'\n", "policy.toml", None).unwrap_err();
/// let shown = "\
/// error: unknown value `enfroce`; did you mean `enforce`?
///  --> policy.toml:2:8
///   |
/// 2 | mode = 'enfroce'
///   |        ^^^^^^^^^
///   |
///   = help: known values: `enforce`, `observe`";
/// assert_eq!(error.to_string(), shown);
/// assert_eq!(format!("{error:?}"), shown);
/// assert!(gabion_policy::check("version = 1\nmode = 'enforce'\n", "policy.toml", None).is_ok());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PolicyError {
    diagnostics: Vec<Diagnostic>,
}

/// The name and text of a document; spans index into the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceText<'t> {
    pub(crate) name: &'t str,
    pub(crate) text: &'t str,
}

// === impl Diagnostic ===

impl Diagnostic {
    /// The name of the file, as given to [`check`](crate::check) or
    /// [`PolicyHandle::open`](crate::PolicyHandle::open).
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The marked byte range of the file.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The line number, from 1.
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The column number in characters, from 1.
    pub const fn column(&self) -> usize {
        self.column
    }

    /// The severity: an error refuses the document, a warning does not.
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// The message, without position and help.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// A suggested correction, if there is one.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    pub(crate) fn with_help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into().map(|help| printable(&help));
        self
    }

    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&self.message);
        let position = match &self.excerpt {
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
        let elements: [Option<Element<'_>>; 2] = [Some(position), help];
        renderer.render(&[title.elements(elements.into_iter().flatten())])
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

// === impl PolicyError ===

impl PolicyError {
    pub(crate) fn new(mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        Self { diagnostics }
    }

    /// The errors, in the order of the document's lines.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Renders the errors like `Display`, with ANSI colors for a terminal.
    pub fn in_color(&self) -> String {
        self.render(&Renderer::styled())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let texts = self.diagnostics.iter();
        let texts = texts.map(|diagnostic| diagnostic.render(renderer));
        texts.collect::<Vec<_>>().join("\n\n")
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

/// Same as `Display`: a `main` that returns this error prints it with `Debug`.
impl fmt::Debug for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PolicyError {}

// === impl SourceText ===

impl SourceText<'_> {
    /// The maximum length of a line that is shown, in bytes.
    const MAX_LINE: usize = 1000;

    /// An error at `span`, which is clamped to the text.
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

    /// A warning at `span`.
    pub(crate) fn warning(self, span: Range<usize>, message: &str) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..self.error(span, message)
        }
    }

    /// An error about the file as a whole.
    pub(crate) fn file_error(self, message: &str) -> PolicyError {
        PolicyError::new(vec![self.error(0..0, message)])
    }
}

/// Escapes control and text-direction characters, so that a document cannot write to the terminal
/// that shows its errors.
fn printable(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let is_control = c.is_control() && c != '\n';
        let is_direction = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if is_control || is_direction {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    escaped
}
