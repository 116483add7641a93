//! Spamhaus's DROP as JSON lines: `{"cidr": ..}` for each network, and at the end one object of
//! `"type": "metadata"`.

use serde::Deserialize;

use super::{Refusal, json};

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

pub(super) fn networks(text: &str) -> Result<Vec<&str>, Refusal> {
    let mut networks = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_str(line).map_err(|error| json::refuse(line, index, &error))? {
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
            _ => Err("a line has a `cidr`, or the `type` metadata"),
        }
    }
}
