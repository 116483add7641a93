//! What is limited, by what, and how far.

use std::num::NonZeroU32;

use gabion_core::Mode;
use serde::{Deserialize, Serialize};

use super::Rate;
use crate::OneOrMany;

/// One `[[limit]]` rule: it counts where all of its parts match; a part that is left out matches
/// everything.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct LimitRule {
    /// The rule's name in events and headers.
    pub id: String,
    /// What has a budget of its own: `"client"`, `"prefix"` (its /24 or /48), `"header:NAME"`,
    /// `"cookie:NAME"`, `"path"` or `"path:2"` (its first segments), `"host"`, `"global"`, or a
    /// list of these, which counts by all of them together.
    #[serde(default = "by_client")]
    pub key: OneOrMany,
    /// How fast the budget grows back.
    pub rate: Rate,
    /// How much of it can be used at once; as much as `rate` counts where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
    /// How much one request uses.
    #[serde(default = "one")]
    pub cost: NonZeroU32,
    /// What one address may use, as a multiple of `rate` and `burst`, where the client itself writes
    /// what `key` names.
    #[serde(default = "ten")]
    pub ceiling: NonZeroU32,
    /// Methods.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub methods: OneOrMany,
    /// Paths and everything under them, by segment, in any view of the path.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub paths: OneOrMany,
    /// Hosts, `"api.example"` or `"*.example"`.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub hosts: OneOrMany,
    /// Counts only what the service answers with one of these, such as 401.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u16>,
    /// Whether answers tell what is left, in `RateLimit` and `RateLimit-Policy`. They do not unless
    /// asked to: it helps whoever writes a client, and whoever guesses passwords.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub show: bool,
    /// Whether it acts. A limit observes unless it says otherwise, whatever the document's mode:
    /// nobody guesses the right figures.
    #[serde(
        default,
        with = "crate::serde_mode",
        skip_serializing_if = "Option::is_none"
    )]
    pub mode: Option<Mode>,
}

impl LimitRule {
    /// A limit for each client, on everything, that observes.
    pub fn new(id: impl Into<String>, rate: Rate) -> Self {
        Self {
            id: id.into(),
            key: by_client(),
            rate,
            burst: None,
            cost: one(),
            ceiling: ten(),
            methods: OneOrMany::default(),
            paths: OneOrMany::default(),
            hosts: OneOrMany::default(),
            statuses: Vec::new(),
            show: false,
            mode: None,
        }
    }

    /// Counts by these together.
    pub fn key<S: Into<String>>(self, parts: impl IntoIterator<Item = S>) -> Self {
        let key = parts.into_iter().collect();
        Self { key, ..self }
    }

    /// Sets whether it acts.
    pub fn mode(self, mode: Mode) -> Self {
        Self {
            mode: Some(mode),
            ..self
        }
    }
}

fn by_client() -> OneOrMany {
    ["client"].into_iter().collect()
}

const fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn ten() -> NonZeroU32 {
    one().saturating_add(9)
}

fn is_empty(strings: &OneOrMany) -> bool {
    strings.is_empty()
}
