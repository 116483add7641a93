//! Assets that browsers and pages request by themselves. A missing asset indicates a broken page,
//! not a scanner.

use gabion_core::Facts;

const NAMES: [&[u8]; 5] = [
    b"favicon.ico",
    b"robots.txt",
    b"browserconfig.xml",
    b"manifest.json",
    b"sitemap.xml",
];

const EXTENSIONS: [&[u8]; 19] = [
    b"avif",
    b"css",
    b"gif",
    b"ico",
    b"jpeg",
    b"jpg",
    b"js",
    b"map",
    b"mjs",
    b"mp3",
    b"mp4",
    b"png",
    b"svg",
    b"ttf",
    b"webm",
    b"webmanifest",
    b"webp",
    b"woff",
    b"woff2",
];

/// Returns `true` if the path is that of an asset.
pub(crate) fn is_asset(facts: &Facts<'_>) -> bool {
    let path = facts.path.raw();
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let mut parts = name.rsplit(|&byte| byte == b'.');
    let extension = parts.next().filter(|part| part.len() < name.len());
    let same = |known: &&[u8], part: &[u8]| known.eq_ignore_ascii_case(part);
    path.starts_with(b"/.well-known/")
        || name.starts_with(b"apple-touch-icon")
        || NAMES.iter().any(|known| same(known, name))
        || extension.is_some_and(|part| EXTENSIONS.iter().any(|known| same(known, part)))
}
