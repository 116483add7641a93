//! The JSON formats of publishers, identified by the keys of their first object.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Deserializer;

use super::{
    aws, drop,
    entries::Entries,
    error::{ListProblem, ParseError, Position},
    google, json,
};

/// The keys in the first object that identify the format.
#[derive(Deserialize)]
struct Keys {
    prefixes: Option<IgnoredAny>,
    ipv6_prefixes: Option<IgnoredAny>,
    cidr: Option<IgnoredAny>,
}

pub(super) fn read(text: &str) -> Result<Entries, ParseError> {
    let Some(keys) = Deserializer::from_str(text).into_iter::<Keys>().next() else {
        return Ok(Entries::default());
    };
    let networks = match keys.map_err(|error| json::error(text, 0, &error))? {
        Keys { cidr: Some(_), .. } => drop::networks(text),
        Keys {
            ipv6_prefixes: Some(_),
            ..
        } => aws::networks(text),
        Keys {
            prefixes: Some(_), ..
        } => google::networks(text),
        _ => Err(Position::new(0, 0).error(ListProblem::UnknownJson)),
    };
    json::entries(text, networks?)
}
