//! Targets that are a denied path in some reading, escaped for `unescape`.

use std::{collections::BTreeSet, fs};

use gabion_testkit::{rows, shared};
use serde_json::Value;

use crate::path_vectors::columns::VECTORS;

const MUTATIONS: &str = include_str!("../../../testdata/beside_real_servers/mutations.tsv");

/// The seeds of every mutation: a path under the denied prefix, and one with the denied extension.
const SEEDS: [&str; 2] = ["/public/secret", "/index.php"];

/// A family of vectors and its name in the table of figures.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) vectors: BTreeSet<String>,
}

/// The vectors that the deny rules are written against.
pub(super) fn measured() -> Family {
    Family::mutate_seeds("`deny.tsv`", &rows(VECTORS), |row| [row[2].to_owned()])
}

/// Each family of mutations, and pairs of them.
pub(super) fn mutated() -> Vec<Family> {
    let [slashes, segments, ends, beginnings] =
        ["slash", "segment", "end", "beginning"].map(mutations);
    let by_slash = Family::mutate_seeds("other slashes", &SEEDS, |seed| at_slashes(seed, &slashes));
    // The full product would have tens of thousands of targets without new cases.
    let with_parameters =
        Family::mutate_seeds("other slashes, and parameters", &by_slash.vectors, |path| {
            at_segments(path, &segments[..1])
        });
    let with_beginnings =
        Family::mutate_seeds("other slashes, and beginnings", &by_slash.vectors, |path| {
            put(path, [(0, 0)], &beginnings[..3])
        });
    let with_ends = Family::mutate_seeds("parameters, and endings", &SEEDS, |seed| {
        let paths = at_segments(seed, &segments[..3]).into_iter();
        paths
            .flat_map(|path| at_end(&path, &ends))
            .collect::<Vec<_>>()
    });
    vec![
        Family::mutate_seeds("other bytes", &SEEDS, |seed| other_bytes(seed)),
        Family::mutate_seeds("beginnings", &SEEDS, |seed| {
            put(seed, [(0, 0)], &beginnings)
        }),
        Family::mutate_seeds("endings", &SEEDS, |seed| at_end(seed, &ends)),
        Family::mutate_seeds("parameters", &SEEDS, |seed| at_segments(seed, &segments)),
        with_ends,
        by_slash,
        with_parameters,
        with_beginnings,
    ]
}

/// The mutations of the table for this position.
fn mutations(position: &str) -> Vec<&str> {
    let rows = rows(MUTATIONS).into_iter();
    let texts: Vec<_> = rows
        .filter(|row| row[0] == position)
        .map(|row| row[1])
        .collect();
    assert!(!texts.is_empty(), "nothing for a {position}");
    texts
}

/// The payloads of nomore403 within and after a path. If its list is missing, prints `SKIPPED` and
/// returns `None`.
#[expect(clippy::disallowed_methods, reason = "a test reads its data")]
pub(super) fn nomore403() -> Option<Family> {
    let text = fs::read_to_string(shared("data/path-normalisation/nomore403.ndjson")?).unwrap();
    let payloads: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let at = |seed: &&str| {
        let mut vectors = Vec::new();
        for payload in &payloads {
            let text = payload["s"].as_str().unwrap().replace('\\', "\\x5c");
            if payload["pos"] == "end" {
                vectors.extend(at_end(seed, &[&text, &format!("/{text}")]));
            } else {
                let slashes = [&*format!("/{text}"), &format!("/{text}/")];
                vectors.extend(at_slashes(seed, &slashes));
                vectors.extend(at_segments(seed, &[&text]));
            }
        }
        vectors
    };
    Some(Family::mutate_seeds("nomore403", &SEEDS, at))
}

// === impl Family ===

impl Family {
    /// Applies `mutate` to each of `seeds`.
    fn mutate_seeds<'s, S: 's, V: IntoIterator<Item = String>>(
        name: &'static str,
        seeds: impl IntoIterator<Item = &'s S>,
        mutate: impl Fn(&'s S) -> V,
    ) -> Self {
        let vectors: BTreeSet<_> = seeds.into_iter().flat_map(mutate).collect();
        assert!(!vectors.is_empty(), "{name}: no vector");
        Self { name, vectors }
    }
}

/// `path` with one of its slashes replaced.
fn at_slashes(path: &str, with: &[&str]) -> Vec<String> {
    let slashes = path.match_indices('/').map(|(at, _)| at);
    put(path, slashes.map(|at| (at, at + 1)), with)
}

/// `path` with an addition after one of its segments.
fn at_segments(path: &str, with: &[&str]) -> Vec<String> {
    let slashes = path.match_indices('/').map(|(at, _)| at);
    let ends = slashes.skip(1).chain([path.len()]);
    put(path, ends.map(|at| (at, at)), with)
}

/// `path` with an addition at its end.
fn at_end(path: &str, with: &[&str]) -> Vec<String> {
    put(path, [(path.len(), path.len())], with)
}

/// `path` with one of these ranges replaced.
fn put(path: &str, ranges: impl IntoIterator<Item = (usize, usize)>, with: &[&str]) -> Vec<String> {
    let all = ranges.into_iter().flat_map(|(from, to)| {
        let (before, after) = (&path[..from], &path[to..]);
        with.iter()
            .map(move |with| format!("{before}{with}{after}"))
    });
    all.collect()
}

/// `path` with one byte after the first in another encoding.
fn other_bytes(path: &str) -> Vec<String> {
    let bytes = path.bytes().enumerate().skip(1);
    let others = bytes.flat_map(|(at, byte)| {
        let overlong = [0xc0 | byte >> 6, byte & 0x3f | 0x80];
        let full_width = char::from_u32(0xfee0 + u32::from(byte)).unwrap();
        let escaped = |bytes: &[u8]| {
            let escapes = bytes.iter().map(|byte| format!("%{byte:02x}"));
            escapes.collect::<Vec<_>>().concat()
        };
        let is_letter = byte.is_ascii_alphabetic();
        [
            escaped(&[byte]),
            format!("%{byte:02X}"),
            format!("%25{byte:02x}"),
            format!("%2525{byte:02x}"),
            format!("%u00{byte:02x}"),
            escaped(&overlong),
            overlong.map(|byte| format!("\\x{byte:02x}")).concat(),
            escaped(full_width.to_string().as_bytes()),
            escaped(&[byte | 0x80]),
            escaped(&[0, byte]),
            char::from(if is_letter { byte ^ 0x20 } else { byte }).to_string(),
        ]
        .map(|other| format!("{}{other}{}", &path[..at], &path[at + 1..]))
    });
    others.collect()
}
