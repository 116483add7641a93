//! Assets that browsers and pages request by themselves. A missing asset indicates a broken page,
//! not a scanner.

use gabion_core::Facts;

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

/// Returns `true` if the path is that of an asset.
pub(crate) fn is_asset(facts: &Facts<'_>) -> bool {
    let segment = facts.path.last_segment();
    let name = segment.bytes();
    facts.path.raw().starts_with(b"/.well-known/")
        || name.starts_with(b"apple-touch-icon")
        || segment.extension().is_some_and(is_extension)
        || NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_extension(extension: &[u8]) -> bool {
    let mut bytes = [0; 8];
    let Some(start) = bytes.get_mut(..extension.len()) else {
        return extension.eq_ignore_ascii_case(b"webmanifest");
    };
    start.copy_from_slice(extension);
    bytes.make_ascii_lowercase();
    EXTENSIONS.contains(&u64::from_le_bytes(bytes))
}

/// Returns a name in lower case, of at most eight bytes, as a number.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn number(name: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let mut at = 0;
    while at < name.len() {
        bytes[at] = name[at];
        at += 1;
    }
    u64::from_le_bytes(bytes)
}
