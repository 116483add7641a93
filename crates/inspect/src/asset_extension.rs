//! The extensions of assets: files that pages make browsers load.

use crate::short_name::{lowercase_number, number};

/// The extensions of at most eight bytes.
const SHORT: [u64; 25] = [
    number(b"avif"),
    number(b"bmp"),
    number(b"css"),
    number(b"gif"),
    number(b"ico"),
    number(b"jpeg"),
    number(b"jpg"),
    number(b"js"),
    number(b"jxl"),
    number(b"m4s"),
    number(b"map"),
    number(b"mjs"),
    number(b"mp3"),
    number(b"mp4"),
    number(b"ogg"),
    number(b"otf"),
    number(b"png"),
    number(b"svg"),
    number(b"ts"),
    number(b"ttf"),
    number(b"vtt"),
    number(b"webm"),
    number(b"webp"),
    number(b"woff"),
    number(b"woff2"),
];

/// Returns `true` if files with this extension are assets.
pub(crate) fn is_asset_extension(extension: &[u8]) -> bool {
    SHORT.contains(&lowercase_number(extension)) || extension.eq_ignore_ascii_case(b"webmanifest")
}
