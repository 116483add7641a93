//! What is said of the server behind.

use gabion_core::Forward;
use serde::{Deserialize, Serialize};

use crate::{OneOrMany, ServerKind};

/// Section `[server]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct ServerConfig {
    /// Its kind: which spellings of a path are refused because it reads them otherwise than most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<ServerKind>,
    /// How the paths of requests that pass are spelled for it: `"as-sent"` or `"canonical"`.
    #[serde(with = "ForwardText")]
    pub forward: Forward,
    /// The names that the server answers to, `"app.example"` or `"*.app.example"`; any where none is
    /// given.
    #[serde(skip_serializing_if = "is_empty")]
    pub hosts: OneOrMany,
    /// Paths at which a balancer asks whether the server is well, by whatever name.
    #[serde(skip_serializing_if = "is_empty")]
    pub health_paths: OneOrMany,
    /// How agents begin that do so, such as `"ELB-HealthChecker/"`.
    #[serde(skip_serializing_if = "is_empty")]
    pub health_agents: OneOrMany,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Forward", rename_all = "kebab-case")]
enum ForwardText {
    AsSent,
    Canonical,
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

fn is_empty(strings: &OneOrMany) -> bool {
    strings.is_empty()
}
