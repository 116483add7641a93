//! Derivation of all views of one path.

use std::borrow::Cow;

use super::{Malformed, Transformation, Transformations, View, canonical, transform};
use crate::fnv;

/// The [`View`]s of one path: the forms in which servers may interpret it.
///
/// A path of plain characters has one view, the path itself, and costs no allocation and no copy.
/// The forms of any other path are stored in one buffer; they are capped ([`Self::MAX_FORMS`],
/// [`Self::MAX_BYTES`]), and a path that exceeds a cap is [`Malformed::Tangled`].
///
/// # Examples
///
/// ```
/// use gabion_core::{Malformed, PathViews};
///
/// let views = PathViews::new(b"/x/..;/%70ublic");
/// assert_eq!(views.malformed(), None);
/// assert!(views.iter().any(|view| view.path == b"/public"));
///
/// let rejected = PathViews::new(b"/%2e%2e/etc/passwd");
/// assert_eq!(rejected.malformed(), Some(Malformed::AboveRoot));
/// ```
#[derive(Clone, Debug)]
pub struct PathViews<'r> {
    raw: &'r [u8],
    derived: Derived,
}

/// The views of one path apart from the path itself: empty, and free to clone, for a plain path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Derived {
    buffer: Vec<u8>,
    forms: Vec<Span>,
    malformed: Option<Malformed>,
}

/// The position of one form in the buffer.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    transformations: Transformations,
    is_view: bool,
}

impl<'r> PathViews<'r> {
    /// The maximum number of forms kept of one path.
    pub const MAX_FORMS: usize = 32;

    /// The maximum number of bytes of all forms of one path, beyond the path and its decoded form.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// The maximum number of times that escapes are decoded.
    pub const MAX_DECODES: u8 = 3;

    /// Derives the views of `path`: the path of a request target, without its query.
    pub fn new(path: &'r [u8]) -> Self {
        let derived = Derived::default();
        let mut views = Self { raw: path, derived };
        if !is_plain(path) {
            views.derive();
        }
        views
    }

    /// Restores the views of `path` from the result of [`Self::derived`] for the same path.
    pub(crate) const fn restore(path: &'r [u8], derived: Derived) -> Self {
        Self { raw: path, derived }
    }

    /// The views apart from the path.
    pub(crate) const fn derived(&self) -> &Derived {
        &self.derived
    }

    /// The path as sent.
    pub const fn raw(&self) -> &'r [u8] {
        self.raw
    }

    /// A hash of the path as sent (FNV-1a): stable for the same path, not secret.
    pub fn hash(&self) -> u64 {
        fnv::hash(self.raw)
    }

    /// Returns `true` if a browser would send the path unchanged: it begins with `/`, and contains
    /// neither dot segments, escaped or not, nor bytes that a browser escapes or replaces (WHATWG
    /// URL, path state and path percent-encode set).
    pub fn could_be_link(&self) -> bool {
        let is_dot_segment = |segment: &[u8]| {
            let forms: [&[u8]; 6] = [b".", b"..", b"%2e", b".%2e", b"%2e.", b"%2e%2e"];
            forms.iter().any(|dots| segment.eq_ignore_ascii_case(dots))
        };
        // Few paths have a segment with a leading dot or escape, or a byte that browsers change, so
        // one pass over the bytes settles most paths.
        let (mut before, mut may_have_dots, mut is_rewritten) = (0, false, false);
        for &byte in self.raw {
            may_have_dots |= before == b'/' && matches!(byte, b'.' | b'%');
            is_rewritten |= !matches!(byte, b'!'..=b'~')
                || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'^' | b'`' | b'{' | b'}');
            before = byte;
        }
        self.raw.first() == Some(&b'/')
            && !is_rewritten
            && !(may_have_dots && self.raw.split(|&byte| byte == b'/').any(is_dot_segment))
    }

    /// The reason why the path has no single interpretation; `None` if it has one. A malformed path
    /// still has views, so that a rule can name its target, unless it is not a path at all
    /// ([`Malformed::Form`]).
    pub const fn malformed(&self) -> Option<Malformed> {
        self.derived.malformed
    }

    /// Returns the canonical form, which all servers interpret alike (RFC 3986, 6.2.2): unreserved
    /// characters are unescaped, other bytes are escaped in upper case, and slashes and dot
    /// segments are resolved. A malformed path has no canonical form and is returned as sent.
    ///
    /// The canonical form has no views that the path as sent lacks: a path that no rule matches is
    /// not matched in this form either. Empty segments are removed, so it is not for a server that
    /// distinguishes `//` from `/`.
    ///
    /// # Cost
    ///
    /// No allocation if the path is already canonical.
    pub fn canonical(&self) -> Cow<'r, [u8]> {
        match self.derived.malformed {
            Some(_) => Cow::Borrowed(self.raw),
            None => canonical::canonical(self.raw),
        }
    }

    /// Iterates over the views, the one nearest to the path as sent first.
    pub fn iter(&self) -> impl Iterator<Item = View<'_>> {
        let plain = self.derived.forms.is_empty().then_some(View {
            path: self.raw,
            transformations: Transformations::AS_SENT,
        });
        let views = self.derived.forms.iter().filter(|span| span.is_view);
        plain.into_iter().chain(views.map(|span| View {
            path: self.bytes(span),
            transformations: span.transformations,
        }))
    }

    /// Applies each transformation to each form until no new form results.
    fn derive(&mut self) {
        self.push(self.raw, Transformations::AS_SENT);
        let mut decoded = Vec::new();
        transform::decode(self.raw, &mut decoded);
        self.derived.malformed = Malformed::detect(self.raw, &decoded);
        if self.derived.malformed == Some(Malformed::Form) {
            return;
        }

        let mut scratch = Vec::new();
        let room = self
            .raw
            .len()
            .saturating_mul(2)
            .saturating_add(Self::MAX_BYTES);
        let mut next = 0;
        while let Some(&from) = self.derived.forms.get(next) {
            next += 1;
            for transformation in Transformation::ALL {
                self.apply(transformation, from, &mut scratch);
            }
            if self.derived.forms.len() > Self::MAX_FORMS || self.derived.buffer.len() > room {
                self.derived.malformed.get_or_insert(Malformed::Tangled);
                return;
            }
        }
    }

    /// Applies one transformation to one form, and keeps the result if it is new.
    fn apply(&mut self, transformation: Transformation, from: Span, scratch: &mut Vec<u8>) {
        let Some(transformations) = from.transformations.with(transformation) else {
            return;
        };
        scratch.clear();
        let above_root = transformation.run(self.bytes(&from), scratch);
        if above_root {
            self.derived.malformed.get_or_insert(Malformed::AboveRoot);
        }
        if !self
            .derived
            .forms
            .iter()
            .any(|known| self.bytes(known) == scratch)
        {
            self.push(scratch, transformations);
        }
    }

    fn push(&mut self, bytes: &[u8], transformations: Transformations) {
        let start = self.derived.buffer.len();
        self.derived.buffer.extend_from_slice(bytes);
        self.derived.forms.push(Span {
            start,
            end: self.derived.buffer.len(),
            transformations,
            is_view: transform::is_resolved(bytes),
        });
    }

    fn bytes(&self, span: &Span) -> &[u8] {
        self.derived
            .buffer
            .get(span.start..span.end)
            .unwrap_or_default()
    }
}

/// Returns `true` if every server takes the path as it is: printable ASCII without `%`, `;` and
/// `\`, and without empty or dot segments.
fn is_plain(path: &[u8]) -> bool {
    let plain = |&byte: &u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'%' | b';' | b'\\');
    path.iter().all(plain) && transform::is_resolved(path)
}
