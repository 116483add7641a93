//! The facade exports every type of its public signatures, few names at its root, and no internals.

#![expect(clippy::disallowed_methods, reason = "a test reads the sources")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Types of the standard library and of crates that are part of the public API, and type parameters.
const FOREIGN: &str = "Arc AsRef AsyncFn Authority Body Bytes Clone Debug Default Duration Error Extensions Fn FnMut \
    FnOnce Formatter Future HeaderMap HeaderName HeaderValue Infallible Instant Into IntoIterator IpAddr IpNet \
    Item Iterator Layer Method NonZeroU8 NonZeroU32 Option Output Path PathBuf Pin Poll Request Response Result Self \
    Service Some SocketAddr StatusCode String SystemTime Timer Uri Vec Version Weak Cow Box Send Sync Context \
    BTreeMap BTreeSet DoubleEndedIterator ExactSizeIterator Mutex NonZeroU16 NonZeroU64 NonZeroUsize Range Receiver Sized Display Write FromStr Ipv4Addr Ipv6Addr";

/// Items that are public for the other crates of gabion, and hidden from the facade's docs.
const HIDDEN: [&str; 2] = ["policy_handle", "guard_layer"];

/// The modules of the facade.
const MODULES: [&str; 9] = [
    "ban",
    "client",
    "deny",
    "event",
    "inspect",
    "limit",
    "policy",
    "scan",
    "websocket",
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names that `pub use` lines of `text` export.
fn exports(text: &str) -> BTreeSet<String> {
    let uses = text.split("pub use ").skip(1);
    let names = uses
        .filter_map(|rest| rest.split_once(';'))
        .flat_map(|(path, _)| {
            let list = path.split_once('{').map_or_else(
                || path.rsplit("::").next().unwrap_or(path),
                |(_, list)| list.trim_end().trim_end_matches('}'),
            );
            list.split(',')
                .map(|name| name.trim().to_owned())
                .collect::<Vec<_>>()
        });
    names.filter(|name| !name.is_empty()).collect()
}

/// The identifiers in `text` that begin with a capital letter and are longer than a type parameter.
fn types(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_type =
        |word: &&str| word.len() > 1 && word.starts_with(|c: char| c.is_ascii_uppercase());
    let is_const = |word: &&str| word.chars().all(|c| !c.is_ascii_lowercase());
    words
        .filter(|word| is_type(word) && !is_const(word))
        .map(str::to_owned)
        .collect()
}

/// A definition or an inherent impl of a type.
struct Item<'t> {
    /// The type's name.
    subject: &'t str,
    kind: Kind,
    body: &'t str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Struct,
    Enum,
    Trait,
    Impl,
}

/// The items of a formatted source file: each begins at the left margin and ends with a brace there.
fn items(text: &str) -> impl Iterator<Item = Item<'_>> {
    let starts = text.match_indices('\n').map(|(at, _)| &text[at + 1..]);
    starts.filter_map(Item::parse)
}

impl<'t> Item<'t> {
    /// The item that `text` begins with.
    fn parse(text: &'t str) -> Option<Self> {
        let (start, kind) = [
            ("pub struct ", Kind::Struct),
            ("pub enum ", Kind::Enum),
            ("pub trait ", Kind::Trait),
            ("impl<", Kind::Impl),
            ("impl ", Kind::Impl),
        ]
        .into_iter()
        .find(|(start, _)| text.starts_with(start))?;
        let (head, body) = text.split_once('{')?;
        if head.contains([';', '\n']) || head.contains(" for ") {
            return None;
        }
        // Type parameters have one letter.
        let mut words = head[start.len()..].split(|c: char| !c.is_ascii_alphanumeric());
        let is_type =
            |word: &&str| word.len() > 1 && word.starts_with(|c: char| c.is_ascii_uppercase());
        let subject = words.find(is_type)?;
        let body = body.split_once("\n}").map_or(body, |(body, _)| body);
        Some(Self {
            subject,
            kind,
            body,
        })
    }
}

impl Item<'_> {
    /// The signatures of public functions, and the types of public fields and of variants.
    fn signatures(&self) -> Vec<String> {
        let lines = self.body.lines().map(str::trim_start);
        let is_code = |line: &&str| !line.starts_with(['/', '#']) && !line.contains('"');
        let lines: Vec<_> = lines.filter(is_code).collect();
        let starts = |line: &str, words: &[&str]| words.iter().any(|word| line.starts_with(word));
        let signature = |nth: usize| {
            let text = lines[nth..].join(" ");
            text.split(['{', ';']).next().unwrap_or_default().to_owned()
        };
        let each = lines
            .iter()
            .enumerate()
            .filter_map(|(nth, line)| match self.kind {
                Kind::Trait if line.starts_with("fn ") => Some(signature(nth)),
                Kind::Impl if starts(line, &["pub fn ", "pub const fn "]) => Some(signature(nth)),
                Kind::Struct if line.starts_with("pub ") => Some((*line).to_owned()),
                Kind::Enum => {
                    let (_, payload) = line.split_once(['(', ':'])?;
                    Some(payload.replace("#[from]", ""))
                }
                _ => None,
            });
        each.collect()
    }
}

#[test]
fn every_type_of_a_public_signature_is_exported() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join("src").join(name)).unwrap();
    let mut exported = exports(&read("lib.rs"));
    for module in MODULES {
        exported.extend(exports(&read(&format!("{module}.rs"))));
        let own = types(
            &read(&format!("{module}.rs"))
                .lines()
                .filter(|line| line.starts_with("pub "))
                .collect::<String>(),
        );
        exported.extend(own);
    }
    let foreign: BTreeSet<_> = FOREIGN.split_whitespace().map(str::to_owned).collect();
    let mut files = Vec::new();
    for dir in [
        "src",
        "../core/src",
        "../inspect/src",
        "../policy/src",
        "../tower/src",
        "../sinks/src",
    ] {
        sources(&root.join(dir), &mut files);
    }
    let (mut missing, mut seen) = (BTreeMap::<String, BTreeSet<String>>::new(), 0);
    for text in files.iter().map(|path| fs::read_to_string(path).unwrap()) {
        let text = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
        for item in items(text).filter(|item| exported.contains(item.subject)) {
            let is_hidden = |signature: &String| {
                let hidden = |name: &&str| signature.contains(&format!("fn {name}("));
                HIDDEN.iter().any(hidden)
            };
            for signature in item.signatures().into_iter().filter(|one| !is_hidden(one)) {
                seen += 1;
                let used = types(&signature).into_iter();
                let known = |name: &String| exported.contains(name) || foreign.contains(name);
                for unknown in used.filter(|name| !known(name)) {
                    let place = format!("{}: {signature}", item.subject);
                    missing.entry(unknown).or_default().insert(place);
                }
            }
        }
    }
    assert!(seen > 500, "only {seen} signatures were found");
    assert!(missing.is_empty(), "not exported: {missing:#?}");
}

#[test]
fn root_has_few_names_and_no_internals() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let names = exports(&lib);
    assert!((12..=18).contains(&names.len()), "{names:?}");
    let mut all = names;
    for module in MODULES {
        let path = format!("src/{module}.rs");
        all.extend(exports(
            &fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap(),
        ));
    }
    for internal in [
        "Chain",
        "Snapshot",
        "IpRanges",
        "PolicyHandle",
        "PolicySource",
        "SessionEnforcer",
        "ListCheck",
    ] {
        assert!(!all.contains(internal), "{internal} is an internal");
    }
}
