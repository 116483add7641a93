//! The derivation of path views without any shortcut: the reference for [`PathViews`].

use gabion_core::{Malformed, PathViews};

/// The forms of a path, derived by running every transformation on every form.
pub(super) struct Reference {
    /// Each form with the description of the transformations that produced it.
    forms: Vec<(Vec<u8>, Applied)>,
    pub(super) malformed: Option<Malformed>,
    pub(super) is_incomplete: bool,
    is_above_root: bool,
}

/// The number of times that escapes were decoded, and the other transformations by index.
#[derive(Clone, Default)]
struct Applied {
    decoded: u8,
    others: [bool; 9],
}

/// A transformation with its description, in the order of [`PathViews`]. The flag is `true` if dot
/// segments went above the root.
type Transformation = (&'static str, fn(&[u8]) -> (Vec<u8>, bool));

const TRANSFORMATIONS: [Transformation; 9] = [
    ("decoded", |path| (decode(path), false)),
    ("slashes merged", |path| (merge_slashes(path), false)),
    ("dot segments resolved", resolve_dots),
    ("unreserved characters decoded", |path| {
        (decode_unreserved(path), false)
    }),
    (";parameters removed", |path| (cut_params(path), false)),
    ("\\ read as /", |path| {
        resolve_dots(&backslash_as_slash(path))
    }),
    ("cut at ? or #", |path| (cut_at_query(path), false)),
    ("cut at NUL", |path| {
        let is_kept = |byte: &u8| *byte != 0;
        let kept = path.iter().copied().take_while(is_kept);
        (kept.collect(), false)
    }),
    ("host after // removed", |path| (cut_host(path), false)),
];

impl Reference {
    pub(super) fn new(path: &[u8]) -> Self {
        let mut reference = Self {
            forms: vec![(path.to_vec(), Applied::default())],
            malformed: None,
            is_incomplete: false,
            is_above_root: false,
        };
        if path.first() == Some(&b'/') {
            reference.derive(3 * path.len() + PathViews::MAX_BYTES);
        }
        reference.malformed = reference.error(path);
        reference
    }

    /// The forms, each with the description of its transformations; none if the path does not begin
    /// with `/`.
    pub(super) fn views(&self) -> impl Iterator<Item = (&[u8], String)> {
        let forms = self.forms.iter().filter(|(form, _)| form.starts_with(b"/"));
        forms.map(|(form, applied)| (&**form, applied.describe()))
    }

    fn derive(&mut self, most_bytes: usize) {
        let mut next = 0;
        while let Some((form, applied)) = self.forms.get(next).cloned() {
            next += 1;
            for (index, (_, run)) in TRANSFORMATIONS.iter().enumerate() {
                let Some(applied) = applied.with(index) else {
                    continue;
                };
                let (result, is_above_root) = run(&form);
                self.is_above_root |= is_above_root;
                if self.forms.iter().any(|(known, _)| *known == result) {
                    continue;
                }
                let bytes: usize = self.forms.iter().map(|(known, _)| known.len()).sum();
                if self.forms.len() == PathViews::MAX_VIEWS || bytes + result.len() > most_bytes {
                    self.is_incomplete = true;
                    return;
                }
                self.forms.push((result, applied));
            }
        }
    }

    fn error(&self, path: &[u8]) -> Option<Malformed> {
        let decoded = decode(path);
        let control = |bytes: &[u8]| bytes.iter().copied().find(u8::is_ascii_control);
        if path.first() != Some(&b'/') {
            Some(Malformed::Form)
        } else if let Some(byte) = control(path) {
            Some(Malformed::Control(byte))
        } else if (0..path.len()).any(|at| path[at] == b'%' && escape(&path[at..]).is_none()) {
            Some(Malformed::Escape)
        } else if decoded.contains(&0) {
            Some(Malformed::Nul)
        } else if let Some(byte) = control(&decoded) {
            Some(Malformed::EscapedControl(byte))
        } else if str::from_utf8(&decoded).is_err() {
            Some(Malformed::Utf8)
        } else if self.is_above_root {
            Some(Malformed::AboveRoot)
        } else {
            self.is_incomplete.then_some(Malformed::Tangled)
        }
    }
}

impl Applied {
    fn with(&self, index: usize) -> Option<Self> {
        let mut applied = self.clone();
        if index == 0 {
            applied.decoded += 1;
        } else {
            applied.others[index] = true;
        }
        (applied.decoded <= PathViews::MAX_DECODES).then_some(applied)
    }

    fn describe(&self) -> String {
        let times = ["", "decoded", "decoded twice", "decoded three times"];
        let decoded = times[usize::from(self.decoded)];
        let others = TRANSFORMATIONS
            .iter()
            .zip(self.others)
            .filter(|(_, applied)| *applied);
        let all: Vec<_> = std::iter::once(decoded)
            .chain(others.map(|((description, _), _)| *description))
            .filter(|description| !description.is_empty())
            .collect();
        if all.is_empty() {
            "as sent".into()
        } else {
            all.join(", ")
        }
    }
}

/// Replaces each `%XX`.
pub(super) fn decode(path: &[u8]) -> Vec<u8> {
    decode_where(path, |_| true)
}

/// Replaces each `%XX` that stands for an unreserved character.
pub(super) fn decode_unreserved(path: &[u8]) -> Vec<u8> {
    decode_where(path, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
    })
}

/// Replaces each `%XX` that stands for a byte for which `decodes` returns `true`.
fn decode_where(path: &[u8], decodes: impl Fn(u8) -> bool) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < path.len() {
        if let Some(byte) = escape(&path[at..]).filter(|byte| decodes(*byte)) {
            out.push(byte);
            at += 3;
        } else {
            out.push(path[at]);
            at += 1;
        }
    }
    out
}

/// Returns the byte for which an escape at the beginning of `bytes` stands.
fn escape(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Removes the parameters of each segment.
pub(super) fn cut_params(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/');
    let names = segments.map(|segment| segment.split(|byte| *byte == b';').next());
    let names: Vec<_> = names.map(Option::unwrap_or_default).collect();
    names.join(&b'/')
}

pub(super) fn backslash_as_slash(path: &[u8]) -> Vec<u8> {
    let read = |byte: &u8| if *byte == b'\\' { b'/' } else { *byte };
    path.iter().map(read).collect()
}

/// Removes the host of a path that begins with two slashes, or more, in either direction.
pub(super) fn cut_host(path: &[u8]) -> Vec<u8> {
    let is_slash = |byte: &u8| b"/\\".contains(byte);
    match path {
        [b'/', b'/' | b'\\', rest @ ..] => {
            let mut rest = rest.iter().copied().skip_while(is_slash);
            let after_host = rest.by_ref().skip_while(|byte| !is_slash(byte)).skip(1);
            [b'/'].into_iter().chain(after_host).collect()
        }
        path => path.to_vec(),
    }
}

pub(super) fn cut_at_query(path: &[u8]) -> Vec<u8> {
    let is_kept = |byte: &u8| !b"?#".contains(byte);
    path.iter().copied().take_while(is_kept).collect()
}

/// Removes all slashes after a slash.
pub(super) fn merge_slashes(path: &[u8]) -> Vec<u8> {
    let mut merged = path.to_vec();
    merged.dedup_by(|byte, before| (*byte, *before) == (b'/', b'/'));
    merged
}

/// Resolves dot segments (RFC 3986, 5.2.4); an empty segment is a segment. The flag is `true` if they
/// went above the root.
pub(super) fn resolve_dots(path: &[u8]) -> (Vec<u8>, bool) {
    let (mut names, mut is_above_root): (Vec<&[u8]>, bool) = (Vec::new(), false);
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            b"." => {}
            b".." => is_above_root |= names.pop().is_none(),
            name => {
                names.push(name);
                continue;
            }
        }
        if segments.peek().is_none() {
            names.push(b"");
        }
    }
    let mut out = vec![b'/'];
    out.extend(names.join(&b'/'));
    (out, is_above_root)
}
