//! The `[server]` section.

use gabion_core::Forward;
use serde::{Deserialize, Serialize};

use super::name::HostName;
use crate::{OneOrMany, ServerKind};

/// The `[server]` section: the guarded server. Compiles to [`HostAllowlist`](crate::HostAllowlist)
/// and [`ServerQuirks`](crate::ServerQuirks).
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Config, Context, ServerConfig, ServerKind, State};
///
/// let context = Context::new(&State::scratch());
/// let config: ServerConfig = toml::from_str("behind = 'tomcat'\nhosts = 'app.example'")?;
/// assert_eq!(config.behind, Some(ServerKind::Tomcat));
/// assert!(config.compile(&context).is_ok());
///
/// let config: ServerConfig = toml::from_str("hosts = 'https://app.example'")?;
/// assert!(config.compile(&context).is_err(), "a URL is not a host");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The kind of server, which selects the path spellings to deny. Default: none are denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<ServerKind>,
    /// The form of paths that are passed to the server: `"as-sent"` or `"canonical"`.
    #[serde(with = "ForwardText")]
    pub forward: Forward,
    /// The host names of the server, such as `"app.example"` or `"*.app.example"`. Case, a trailing
    /// dot, a port and the spelling of an IPv6 address do not matter. If empty, all are accepted.
    #[serde(skip_serializing_if = "is_empty")]
    pub hosts: OneOrMany,
    /// Paths of health checks, which may use any host.
    #[serde(skip_serializing_if = "is_empty")]
    pub health_paths: OneOrMany,
    /// Prefixes of user agents of health checks, such as `"ELB-HealthChecker/"`, which may use any
    /// host.
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
    /// Returns the `Host` header of sample requests: the first host that is configured.
    pub fn a_host(&self) -> Option<String> {
        let host = HostName::parse(self.hosts.first()?);
        Some(host.ok()?.to_header())
    }
}

fn is_empty(strings: &OneOrMany) -> bool {
    strings.is_empty()
}
