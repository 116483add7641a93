//! AWS's `ip-ranges.json`: `{"prefixes": [{"ip_prefix": ..}], "ipv6_prefixes": [..]}`.

use serde::Deserialize;

use super::{error::ParseError, json};

#[derive(Deserialize)]
struct Ranges<'t> {
    #[serde(borrow)]
    prefixes: Vec<Ipv4<'t>>,
    #[serde(borrow)]
    ipv6_prefixes: Vec<Ipv6<'t>>,
}

#[derive(Deserialize)]
struct Ipv4<'t> {
    ip_prefix: &'t str,
}

#[derive(Deserialize)]
struct Ipv6<'t> {
    ipv6_prefix: &'t str,
}

/// Returns the networks, repeated for each service that uses them.
pub(super) fn networks(text: &str) -> Result<Vec<&str>, ParseError> {
    let ranges: Ranges<'_> = json::object(text)?;
    let ipv4 = ranges.prefixes.into_iter().map(|range| range.ip_prefix);
    let ipv6 = ranges.ipv6_prefixes.into_iter();
    Ok(ipv4.chain(ipv6.map(|range| range.ipv6_prefix)).collect())
}
