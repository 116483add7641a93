//! Assets that browsers and pages request by themselves. A missing asset indicates a broken page,
//! not a scanner.

use gabion_core::{Facts, Segment};

use super::short_name::{lowercase_number, number};

const NAMES: [&[u8]; 4] = [
    b"robots.txt",
    b"browserconfig.xml",
    b"manifest.json",
    b"sitemap.xml",
];

/// The extensions of at most eight bytes, each as a number.
const EXTENSIONS: [u64; 18] = [
    number(b"avif"),
    number(b"css"),
    number(b"gif"),
    number(b"ico"),
    number(b"jpeg"),
    number(b"jpg"),
    number(b"js"),
    number(b"map"),
    number(b"mjs"),
    number(b"mp3"),
    number(b"mp4"),
    number(b"png"),
    number(b"svg"),
    number(b"ttf"),
    number(b"webm"),
    number(b"webp"),
    number(b"woff"),
    number(b"woff2"),
];

/// Returns `true` if the path is that of an asset. `last` is the last segment of the path.
pub(crate) fn is_asset(facts: &Facts<'_>, last: Segment<'_>) -> bool {
    let name = last.bytes();
    facts.path.raw().starts_with(b"/.well-known/")
        || name.starts_with(b"apple-touch-icon")
        || last.extension().is_some_and(is_extension)
        || NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_extension(extension: &[u8]) -> bool {
    EXTENSIONS.contains(&lowercase_number(extension))
        || extension.eq_ignore_ascii_case(b"webmanifest")
}
