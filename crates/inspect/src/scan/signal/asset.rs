//! Assets that browsers and pages request by themselves. A missing asset indicates a broken page,
//! not a scanner.

use gabion_core::{Facts, Segment};

use crate::asset_extension::is_asset_extension;

const NAMES: [&[u8]; 4] = [
    b"robots.txt",
    b"browserconfig.xml",
    b"manifest.json",
    b"sitemap.xml",
];

/// Returns `true` if the path is that of an asset. `last` is the last segment of the path.
pub(crate) fn is_asset(facts: &Facts<'_>, last: Segment<'_>) -> bool {
    let name = last.bytes();
    facts.path.raw().starts_with(b"/.well-known/")
        || name.starts_with(b"apple-touch-icon")
        || last.extension().is_some_and(is_asset_extension)
        || NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}
