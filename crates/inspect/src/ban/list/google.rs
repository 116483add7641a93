//! The JSON in which Google and others publish crawlers and ranges (`googlebot.json`, `goog.json`):
//! `{"prefixes": [{"ipv4Prefix": ..}, {"ipv6Prefix": ..}]}`.

use serde::Deserialize;

use super::{error::ParseError, json};

#[derive(Deserialize)]
struct Ranges<'t> {
    #[serde(borrow)]
    prefixes: Vec<Prefix<'t>>,
}

#[derive(Deserialize)]
#[serde(try_from = "Keys<'t>")]
struct Prefix<'t>(&'t str);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys<'t> {
    ipv4_prefix: Option<&'t str>,
    ipv6_prefix: Option<&'t str>,
}

pub(super) fn networks(text: &str) -> Result<Vec<&str>, ParseError> {
    let ranges: Ranges<'_> = json::object(text)?;
    Ok(ranges.prefixes.into_iter().map(|Prefix(net)| net).collect())
}

impl<'t> TryFrom<Keys<'t>> for Prefix<'t> {
    type Error = &'static str;

    fn try_from(keys: Keys<'t>) -> Result<Self, &'static str> {
        match (keys.ipv4_prefix, keys.ipv6_prefix) {
            (Some(network), None) | (None, Some(network)) => Ok(Self(network)),
            _ => Err("an entry needs exactly one of `ipv4Prefix` and `ipv6Prefix`"),
        }
    }
}
