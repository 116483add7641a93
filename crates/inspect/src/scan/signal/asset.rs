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

/// The longest extension, in bytes.
const MAX_EXTENSION: usize = 11;

/// Returns `true` if the path is that of an asset.
pub(crate) fn is_asset(facts: &Facts<'_>) -> bool {
    let path = facts.path.raw();
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let dot = name.iter().rposition(|&byte| byte == b'.');
    let extension = dot.and_then(|dot| name.get(dot.checked_add(1)?..));
    path.starts_with(b"/.well-known/")
        || name.starts_with(b"apple-touch-icon")
        || extension.is_some_and(is_extension)
        || NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_extension(extension: &[u8]) -> bool {
    let mut lowered = [0; MAX_EXTENSION];
    let Some(lowered) = lowered.get_mut(..extension.len()) else {
        return false;
    };
    lowered.copy_from_slice(extension);
    lowered.make_ascii_lowercase();
    matches!(
        &*lowered,
        b"avif"
            | b"css"
            | b"gif"
            | b"ico"
            | b"jpeg"
            | b"jpg"
            | b"js"
            | b"map"
            | b"mjs"
            | b"mp3"
            | b"mp4"
            | b"png"
            | b"svg"
            | b"ttf"
            | b"webm"
            | b"webmanifest"
            | b"webp"
            | b"woff"
            | b"woff2"
    )
}
