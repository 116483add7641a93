//! Derivation of all views of one path.

use std::{borrow::Cow, cell::OnceCell, slice, sync::OnceLock};

use super::{
    Malformed, PathClasses, Segment, Segments, Transformations, View, canonical,
    distinct::DistinctNames,
    layout::{Layout, Marks},
    transform::{TRANSFORMATIONS, TRIGGERS},
};
use crate::stable_hash;

/// The [`View`]s of one path: the forms in which servers may interpret it.
///
/// They are derived when one is first read. A path of plain characters has one view, the path itself,
/// and costs one pass over its bytes: no allocation and no copy. The views of any other path are stored
/// in one buffer; they are capped ([`Self::MAX_VIEWS`], [`Self::MAX_BYTES`]), and a path that exceeds a
/// cap is [`Malformed::Tangled`].
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
    hash: u64,
    /// Empty until it is read.
    derived: OnceCell<Derived>,
}

/// The part of [`PathViews`] that does not borrow the path: free to clone for a plain path.
#[derive(Clone, Debug)]
pub(crate) struct Derived {
    /// The path as sent.
    sent: Span,
    malformed: Option<Malformed>,
    /// `None` if the path as sent is the only form.
    forms: Option<Box<Forms>>,
}

/// All forms of a path, the path as sent first.
#[derive(Clone, Debug, Default)]
struct Forms {
    spans: Vec<Span>,
    /// The bytes of all forms.
    bytes: Vec<u8>,
    /// Empty until they are read.
    names: OnceLock<DistinctNames>,
    /// `true` if there are more forms than are kept.
    is_incomplete: bool,
    /// `true` if dot segments go above the root in some form.
    is_above_root: bool,
}

/// The classes of a path that is malformed or has several forms.
const NOT_PLAIN: PathClasses = TRIGGERS
    .union(PathClasses::UNROOTED)
    .union(PathClasses::CONTROL)
    .union(PathClasses::NON_ASCII);

/// One form: the bytes from `start` to `end`.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    transformations: Transformations,
    layout: Layout,
}

impl<'r> PathViews<'r> {
    /// The maximum number of views of one path. In 31,000 public paths of requests and scanners, none
    /// has more than 8.
    pub const MAX_VIEWS: usize = 12;

    /// The maximum number of bytes of all views of one path, beyond three times those of the path. The
    /// same public paths need at most 382.
    pub const MAX_BYTES: usize = 1024;

    /// The maximum number of times that escapes are decoded.
    pub const MAX_DECODES: u8 = 3;

    /// Creates the views of `path`: the path of a request target, without its query.
    #[inline]
    pub fn new(path: &'r [u8]) -> Self {
        Self {
            raw: path,
            hash: stable_hash(path),
            derived: OnceCell::new(),
        }
    }

    /// Creates the views of `path` from the result of [`Self::derived_if_read`] for the same path.
    pub(crate) fn restore(path: &'r [u8], derived: Option<Derived>) -> Self {
        Self {
            derived: derived.map_or_else(OnceCell::new, OnceCell::from),
            ..Self::new(path)
        }
    }

    /// The views apart from the path, unless none was read.
    pub(crate) fn derived_if_read(&self) -> Option<&Derived> {
        self.derived.get()
    }

    /// Returns `true` if several forms were derived. To derive them again would allocate.
    pub fn has_read_several_forms(&self) -> bool {
        let derived = self.derived.get();
        derived.is_some_and(|derived| derived.forms.is_some())
    }

    #[inline]
    fn derived(&self) -> &Derived {
        self.derived.get_or_init(|| Derived::new(self.raw))
    }

    /// The path as sent.
    pub const fn raw(&self) -> &'r [u8] {
        self.raw
    }

    /// The classes of bytes and segments in the path as sent.
    pub fn classes(&self) -> PathClasses {
        self.derived().sent.layout.classes()
    }

    /// The bytes after the last slash of the path as sent: the name of a file, or empty.
    #[inline]
    pub fn last_segment(&self) -> Segment<'r> {
        let layout = &self.derived().sent.layout;
        Segment::last(self.raw, layout.marks(), layout.classes())
    }

    /// Returns `true` if a segment of the path as sent matches. `matches` gets the path after each slash, up to
    /// its end, and decides on the part before the next slash.
    ///
    /// # Cost
    ///
    /// A few instructions per segment, for a path of at most 64 bytes.
    #[inline]
    pub fn any_segment(&self, matches: impl Fn(&[u8]) -> bool) -> bool {
        let layout = &self.derived().sent.layout;
        let after = |slash: usize| self.raw.get(slash.saturating_add(1)..);
        let mut slashes = layout.marks().slashes;
        while slashes != 0 {
            if after(slashes.trailing_zeros() as usize).is_some_and(&matches) {
                return true;
            }
            slashes &= slashes.wrapping_sub(1);
        }
        let rest = self.raw.get(Marks::BLOCK..).unwrap_or_default();
        let mut slashes = rest.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.any(|(at, _)| after(at.saturating_add(Marks::BLOCK)).is_some_and(&matches))
    }

    /// Returns `true` if a name matches that a segment of any view may stand for ([`Segment::any_name`]).
    /// Views share most of their segments: their names are found once, and tested once except for rare
    /// repetitions.
    #[inline]
    pub fn any_name(&self, mut matches: impl FnMut(Segment<'_>) -> bool) -> bool {
        match &self.derived().forms {
            Some(forms) => forms.names().iter().any(matches),
            None => self
                .iter()
                .flat_map(|view| view.segments())
                .any(|segment| segment.any_name(&mut matches)),
        }
    }

    /// Iterates over the segments of the path as sent.
    #[inline]
    pub fn raw_segments(&self) -> Segments<'r> {
        let layout = &self.derived().sent.layout;
        Segments::new(self.raw, layout.marks(), layout.classes())
    }

    /// A hash of the path as sent: stable for the same path, not secret.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns `true` if a browser would send the path unchanged: it begins with `/`, and contains
    /// neither dot segments, escaped or not, nor bytes that a browser escapes or replaces (WHATWG
    /// URL, path state and path percent-encode set).
    pub fn could_be_link(&self) -> bool {
        const CHANGED: PathClasses = PathClasses::UNROOTED
            .union(PathClasses::DOT_SEGMENT)
            .union(PathClasses::CONTROL)
            .union(PathClasses::BLANK)
            .union(PathClasses::NON_ASCII)
            .union(PathClasses::BACKSLASH)
            .union(PathClasses::ESCAPED_BY_BROWSERS);
        let is_dot_segment = |segment: &[u8]| {
            let forms: [&[u8]; 4] = [b"%2e", b".%2e", b"%2e.", b"%2e%2e"];
            forms.iter().any(|dots| segment.eq_ignore_ascii_case(dots))
        };
        self.derived().sent.layout.lacks(CHANGED)
            && (self.derived().sent.layout.lacks(PathClasses::PERCENT)
                || !self.raw.split(|&byte| byte == b'/').any(is_dot_segment))
    }

    /// The reason why the path has no single interpretation; `None` if it has one. A malformed path
    /// still has views, so that a rule can name its target, unless it is not a path at all
    /// ([`Malformed::Form`]).
    pub fn malformed(&self) -> Option<Malformed> {
        self.derived().malformed
    }

    /// Iterates over all reasons why the path has no single interpretation, [`Self::malformed`] first.
    ///
    /// # Cost
    ///
    /// Several passes over the path. No allocation.
    pub fn errors(&self) -> impl Iterator<Item = Malformed> + '_ {
        let form = self
            .derived()
            .malformed
            .filter(|error| *error == Malformed::Form);
        let others = match self.derived().malformed {
            None | Some(Malformed::Form) => None,
            Some(_) => Some(find_errors(self.as_sent(), self.derived().forms.as_deref())),
        };
        form.into_iter().chain(others.into_iter().flatten())
    }

    /// Returns `true` if the path as sent is the only form, so that deriving the views again allocates nothing.
    pub fn has_one_form(&self) -> bool {
        self.derived().forms.is_none()
    }

    /// Returns `true` if the path has more forms than are kept, so that it may have any view. It is
    /// then [`Malformed::Tangled`], unless it has another error, too.
    pub fn is_incomplete(&self) -> bool {
        let forms = self.derived().forms.as_ref();
        forms.is_some_and(|forms| forms.is_incomplete)
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
        match self.derived().malformed {
            Some(_) => Cow::Borrowed(self.raw),
            None => canonical::canonical(self.raw),
        }
    }

    /// Iterates over the views, the path as sent first. There is none if it does not begin with `/`.
    pub fn iter(&self) -> impl Iterator<Item = View<'_>> {
        let sent = &self.derived().sent;
        let (bytes, spans) = match self.derived().forms.as_deref() {
            Some(forms) => (&*forms.bytes, &*forms.spans),
            None if sent.layout.lacks(PathClasses::UNROOTED) => (self.raw, slice::from_ref(sent)),
            None => (self.raw, &[][..]),
        };
        spans.iter().map(|span| span.form(bytes))
    }

    fn as_sent(&self) -> View<'_> {
        self.derived().sent.form(self.raw)
    }
}

// === impl Derived ===

impl Derived {
    // Not inlined: it is called at most once for a path, from many places.
    #[inline(never)]
    fn new(path: &[u8]) -> Self {
        let mut derived = Self {
            sent: Span {
                start: 0,
                end: path.len(),
                transformations: Transformations::AS_SENT,
                layout: Layout::new(path),
            },
            malformed: None,
            forms: None,
        };
        if !derived.sent.layout.lacks(NOT_PLAIN) {
            derived.derive_forms(path);
        }
        derived
    }

    /// Derives the forms and finds the error of a path that is not plain.
    #[cold]
    fn derive_forms(&mut self, path: &[u8]) {
        if !self.sent.layout.lacks(PathClasses::UNROOTED) {
            self.malformed = Some(Malformed::Form);
            return;
        }
        let sent = self.sent.form(path);
        if !self.sent.layout.lacks(TRIGGERS) {
            self.forms = Some(Box::new(Forms::derive(sent)));
        }
        self.malformed = find_errors(sent, self.forms.as_deref()).next();
    }
}

// === impl Forms ===

impl Forms {
    /// Applies each transformation to each form until no new form results, or a cap is reached.
    fn derive(sent: View<'_>) -> Self {
        let first = sent.path.len().saturating_mul(3);
        let most_bytes = first.saturating_add(PathViews::MAX_BYTES);
        let mut all = Self {
            spans: Vec::with_capacity(4),
            bytes: Vec::with_capacity(first),
            names: OnceLock::new(),
            is_incomplete: false,
            is_above_root: false,
        };
        all.push(sent);
        let mut scratch = Vec::with_capacity(sent.path.len());
        let mut next = 0;
        while let Some(&from) = all.spans.get(next) {
            next = next.saturating_add(1);
            for (index, transformation) in TRANSFORMATIONS.iter().enumerate() {
                if from.layout.lacks(transformation.triggers) {
                    continue;
                }
                let Some(transformations) = from.transformations.with(index) else {
                    continue;
                };
                scratch.clear();
                all.is_above_root |= (transformation.run)(all.bytes(&from), &mut scratch);
                if all.spans.iter().any(|span| all.bytes(span) == scratch) {
                    continue;
                }
                let bytes = all.bytes.len().saturating_add(scratch.len());
                if all.spans.len() == PathViews::MAX_VIEWS || bytes > most_bytes {
                    all.is_incomplete = true;
                    return all;
                }
                all.push(View {
                    path: &scratch,
                    transformations,
                    layout: &Layout::new(&scratch),
                });
            }
        }
        all
    }

    fn push(&mut self, form: View<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(form.path);
        self.spans.push(Span {
            start,
            end: self.bytes.len(),
            transformations: form.transformations,
            layout: *form.layout,
        });
    }

    /// The names in all forms.
    fn names(&self) -> &DistinctNames {
        let find = || DistinctNames::new(self.iter().map(|view| view.path));
        self.names.get_or_init(find)
    }

    fn iter(&self) -> impl Iterator<Item = View<'_>> + Clone {
        self.spans.iter().map(|span| span.form(&self.bytes))
    }

    fn bytes(&self, span: &Span) -> &[u8] {
        self.bytes.get(span.start..span.end).unwrap_or_default()
    }
}

// === impl Span ===

impl Span {
    /// The form, from the bytes of all forms.
    #[inline]
    fn form<'v>(&'v self, bytes: &'v [u8]) -> View<'v> {
        View {
            path: bytes.get(self.start..self.end).unwrap_or_default(),
            transformations: self.transformations,
            layout: &self.layout,
        }
    }
}

/// Iterates over the errors of the path `sent`, of which `forms` are the forms if it has several.
fn find_errors<'v>(
    sent: View<'v>,
    forms: Option<&'v Forms>,
) -> impl Iterator<Item = Malformed> + use<'v> {
    let decoded_once = |view: &View<'_>| view.transformations == Transformations::DECODED_ONCE;
    let decoded = forms.and_then(|forms| forms.iter().find(decoded_once));
    let above_root = forms.filter(|forms| forms.is_above_root);
    let tangled = forms.filter(|forms| forms.is_incomplete);
    Malformed::detect(sent, decoded.unwrap_or(sent))
        .chain(above_root.map(|_| Malformed::AboveRoot))
        .chain(tangled.map(|_| Malformed::Tangled))
}
