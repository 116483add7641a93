//! Which hosts the server behind answers for.

use serde::{Deserialize, Serialize};

use crate::Strings;

/// Section `[server]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct ServerConfig {
    /// The names that the server answers to, `"app.example"` or `"*.app.example"`; any where none is
    /// given.
    #[serde(skip_serializing_if = "is_empty")]
    pub hosts: Strings,
    /// Paths at which a balancer asks whether the server is well, by whatever name.
    #[serde(skip_serializing_if = "is_empty")]
    pub health_paths: Strings,
    /// How agents begin that do so, such as `"ELB-HealthChecker/"`.
    #[serde(skip_serializing_if = "is_empty")]
    pub health_agents: Strings,
}

impl ServerConfig {
    /// A host that the server answers for, for requests made up: the first that is configured.
    pub fn a_host(&self) -> Option<String> {
        let first = self.hosts.first()?;
        Some(match first.strip_prefix("*.") {
            Some(parent) => format!("www.{parent}"),
            None => first.clone(),
        })
    }
}

fn is_empty(strings: &Strings) -> bool {
    strings.is_empty()
}
