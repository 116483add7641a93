//! The JSON lines of Spamhaus DROP: `{"cidr": ..}` per network, and one object with `"type":
//! "metadata"` at the end.

use serde::Deserialize;

use super::{error::ParseError, json};

#[derive(Deserialize)]
#[serde(try_from = "Keys<'t>")]
enum Line<'t> {
    Network(&'t str),
    Metadata,
}

#[derive(Deserialize)]
struct Keys<'t> {
    cidr: Option<&'t str>,
    #[serde(rename = "type")]
    kind: Option<&'t str>,
}

pub(super) fn networks(text: &str) -> Result<Vec<&str>, ParseError> {
    let mut networks = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_str(line).map_err(|error| json::error(line, index, &error))? {
            Line::Network(network) => networks.push(network),
            Line::Metadata => {}
        }
    }
    Ok(networks)
}

impl<'t> TryFrom<Keys<'t>> for Line<'t> {
    type Error = &'static str;

    fn try_from(keys: Keys<'t>) -> Result<Self, &'static str> {
        match (keys.cidr, keys.kind) {
            (Some(network), _) => Ok(Self::Network(network)),
            (None, Some("metadata")) => Ok(Self::Metadata),
            _ => Err("a line needs a `cidr`, or `metadata` as its `type`"),
        }
    }
}
