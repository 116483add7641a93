//! The closure of the reading steps over one path.

use std::borrow::Cow;

use super::{Malformed, Transformation, Transformations, View, canonical, step};
use crate::fnv;

/// Every way in which a server might read one path.
///
/// A path of plain characters has one view, the path itself, and costs no allocation and no copy.
/// Any other is read into one buffer; its readings are capped ([`Self::MAX_READINGS`],
/// [`Self::MAX_BYTES`]), and a path that has more is [`Malformed::Tangled`].
///
/// # Examples
///
/// ```
/// use gabion_core::PathViews;
///
/// let views = PathViews::new(b"/x/..;/%70ublic");
/// assert!(views.iter().any(|view| view.path == b"/public"));
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
    readings: Vec<Span>,
    malformed: Option<Malformed>,
}

/// A reading within the buffer.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    transformations: Transformations,
    is_view: bool,
}

impl<'r> PathViews<'r> {
    /// How many readings of one path are kept.
    pub const MAX_READINGS: usize = 32;

    /// How many bytes the readings of one path may take together, beyond the path and its
    /// decoded form.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// How often escapes are decoded.
    pub const MAX_DECODES: u8 = 3;

    /// Reads `path`, the path of a request's target without its query.
    pub fn new(path: &'r [u8]) -> Self {
        let derived = Derived::default();
        let mut views = Self { raw: path, derived };
        if !is_plain(path) {
            views.read();
        }
        views
    }

    /// Restores the views of `path` from what [`Self::derived`] returned for the same path.
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

    /// A hash of the path as sent (FNV-1a): the same for the same path, and no secret.
    pub fn hash(&self) -> u64 {
        fnv::hash(self.raw)
    }

    /// Whether a browser would send the path as it stands: it begins with `/`, and holds neither
    /// dot segments, also escaped ones, nor bytes that a browser escapes or turns (WHATWG URL, path
    /// state and path percent-encode set).
    pub fn could_be_link(&self) -> bool {
        let dots = |segment: &[u8]| {
            let spelled: [&[u8]; 6] = [b".", b"..", b"%2e", b".%2e", b"%2e.", b"%2e%2e"];
            spelled
                .iter()
                .any(|dots| segment.eq_ignore_ascii_case(dots))
        };
        // Few paths have a segment that begins like one of dots, or a byte that browsers turn: one look
        // at each byte finds that.
        let (mut before, mut may_be_dots, mut is_turned) = (0, false, false);
        for &byte in self.raw {
            may_be_dots |= before == b'/' && matches!(byte, b'.' | b'%');
            is_turned |= !matches!(byte, b'!'..=b'~')
                || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'^' | b'`' | b'{' | b'}');
            before = byte;
        }
        self.raw.first() == Some(&b'/')
            && !is_turned
            && !(may_be_dots && self.raw.split(|&byte| byte == b'/').any(dots))
    }

    /// Why the path has no single reading. Such a path still has views, so that a rule can say
    /// what it was after, unless it is no path at all ([`Malformed::Form`]).
    pub const fn malformed(&self) -> Option<Malformed> {
        self.derived.malformed
    }

    /// The one spelling of the path that all readers agree on (RFC 3986, 6.2.2): what needs no
    /// escape has none, what needs one has it in capitals, slashes and dot segments are resolved.
    /// A malformed path has none, and stays as it was sent.
    ///
    /// Whoever reads it finds nothing that the path as sent did not hold: a path that no rule
    /// matches is matched by none in this form. Empty segments go, so it is not for a server that
    /// tells `//` from `/`.
    ///
    /// # Cost
    ///
    /// No allocation where the path is spelled so already.
    pub fn canonical(&self) -> Cow<'r, [u8]> {
        match self.derived.malformed {
            Some(_) => Cow::Borrowed(self.raw),
            None => canonical::canonical(self.raw),
        }
    }

    /// The views, the one nearest to the path as sent first.
    pub fn iter(&self) -> impl Iterator<Item = View<'_>> {
        let plain = self.derived.readings.is_empty().then_some(View {
            path: self.raw,
            transformations: Transformations::AS_SENT,
        });
        let views = self.derived.readings.iter().filter(|span| span.is_view);
        plain.into_iter().chain(views.map(|span| View {
            path: self.bytes(span),
            transformations: span.transformations,
        }))
    }

    /// Applies each step to each reading until none brings a new one.
    fn read(&mut self) {
        self.push(self.raw, Transformations::AS_SENT);
        let mut decoded = Vec::new();
        step::decode(self.raw, &mut decoded);
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
        while let Some(&from) = self.derived.readings.get(next) {
            next += 1;
            for step in Transformation::ALL {
                self.apply(step, from, &mut scratch);
            }
            if self.derived.readings.len() > Self::MAX_READINGS || self.derived.buffer.len() > room
            {
                self.derived.malformed.get_or_insert(Malformed::Tangled);
                return;
            }
        }
    }

    /// Takes one step from one reading, and keeps the result if it is new.
    fn apply(&mut self, step: Transformation, from: Span, scratch: &mut Vec<u8>) {
        let Some(transformations) = from.transformations.after(step) else {
            return;
        };
        scratch.clear();
        let above_root = step.run(self.bytes(&from), scratch);
        if above_root {
            self.derived.malformed.get_or_insert(Malformed::AboveRoot);
        }
        if !self
            .derived
            .readings
            .iter()
            .any(|known| self.bytes(known) == scratch)
        {
            self.push(scratch, transformations);
        }
    }

    fn push(&mut self, bytes: &[u8], transformations: Transformations) {
        let start = self.derived.buffer.len();
        self.derived.buffer.extend_from_slice(bytes);
        self.derived.readings.push(Span {
            start,
            end: self.derived.buffer.len(),
            transformations,
            is_view: step::is_resolved(bytes),
        });
    }

    fn bytes(&self, span: &Span) -> &[u8] {
        self.derived
            .buffer
            .get(span.start..span.end)
            .unwrap_or_default()
    }
}

/// Whether every server reads the path as it stands: printable ASCII without `%`, `;`, `\` and
/// without empty or dot segments.
fn is_plain(path: &[u8]) -> bool {
    let plain = |&byte: &u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'%' | b';' | b'\\');
    path.iter().all(plain) && step::is_resolved(path)
}
