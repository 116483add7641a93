//! Refuses requests for hosts that the server does not answer for.
//!
//! Scanners sweep address ranges and know no names: most of what asks for a bare address, or for
//! somebody else's name, is looking for anything at all. A request passes when
//! 1. no host is configured; or
//! 2. the host that it asks for, without its port, is one of them, whatever the case; or
//! 3. it is a health check: it comes from a trusted proxy itself, nobody stands behind it, and its
//!    path or agent is declared as such.
//!
//! Any other is answered 421 (RFC 9110, 15.5.20).

mod config;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use gabion_core::{Cause, Denial, Facts, Inspect, Mode, Reason, RequestState, RuleId, Verdict};
use http::{
    StatusCode,
    header::{HOST, USER_AGENT},
};

use crate::{Config, ConfigErrors, ConfigPath, Context, Problem, ServerQuirks};

pub use config::ServerConfig;

/// Refuses foreign hosts. Compiled from [`ServerConfig`]; immutable.
///
/// # Cost
///
/// One hash look-up, two for a name below a wildcard. No allocation.
#[derive(Debug)]
pub struct HostAllowlist {
    names: HashSet<Box<[u8]>>,
    /// The parents of wildcards, without `*.`.
    parents: HashSet<Box<[u8]>>,
    health_paths: Vec<String>,
    health_agents: Vec<String>,
    mode: Mode,
}

/// The longest name (RFC 1035, 2.3.4), in bytes.
const MAX_NAME: usize = 253;

impl HostAllowlist {
    /// The rule that refuses.
    pub const FOREIGN: RuleId = RuleId::builtin("host/foreign");

    pub(crate) fn from_config(config: &ServerConfig, mode: Mode) -> Result<Self, ConfigErrors> {
        let mut hosts = Self {
            names: HashSet::new(),
            parents: HashSet::new(),
            health_paths: config.health_paths.to_vec(),
            health_agents: config.health_agents.to_vec(),
            mode,
        };
        let mut errors = Vec::new();
        for (entry, host) in config.hosts.iter().enumerate() {
            let (set, name) = match host.strip_prefix("*.") {
                Some(parent) => (&mut hosts.parents, parent),
                None => (&mut hosts.names, host.as_str()),
            };
            match plain_name(name) {
                Some(name) => drop(set.insert(name)),
                None => errors.push(ConfigPath::new("server", "hosts").entry(entry).refuse(
                    Problem::Name {
                        name: host.clone(),
                        why: "a host is a name or address without port, or *. and a name",
                    },
                )),
            }
        }
        for (entry, path) in config.health_paths.iter().enumerate() {
            if !path.starts_with('/') {
                let problem = Problem::Path {
                    path: path.clone(),
                    why: "it must begin with /",
                };
                errors.push(
                    ConfigPath::new("server", "health_paths")
                        .entry(entry)
                        .refuse(problem),
                );
            }
        }
        ConfigErrors::any(errors)?;
        Ok(hosts)
    }

    /// Whether `host`, without its port, is one of them.
    pub(crate) fn knows(&self, host: &[u8]) -> bool {
        let mut folded = [0; MAX_NAME];
        let Some(name) = folded.get_mut(..host.len()) else {
            return false;
        };
        name.copy_from_slice(host);
        name.make_ascii_lowercase();
        let parent = name.iter().position(|&byte| byte == b'.');
        let parent = parent.and_then(|dot| name.get(dot.saturating_add(1)..));
        self.names.contains(&*name) || parent.is_some_and(|parent| self.parents.contains(parent))
    }

    fn is_health_check(&self, facts: &Facts<'_>) -> bool {
        let direct = facts.client.via_trusted() && !facts.client.is_forwarded();
        let path = facts.path.raw();
        let agent = facts
            .headers
            .get(USER_AGENT)
            .map_or(&b""[..], |agent| agent.as_bytes());
        let asks = |known: &String| known.as_bytes() == path;
        let says = |known: &String| agent.starts_with(known.as_bytes());
        direct && (self.health_paths.iter().any(asks) || self.health_agents.iter().any(says))
    }
}

impl Config for ServerConfig {
    type Output = (HostAllowlist, ServerQuirks);

    /// # Errors
    ///
    /// Every entry of [`Self::hosts`] that is not a host name, and every health path that does not begin
    /// with `/`.
    fn compile(&self, context: &Context) -> Result<Self::Output, ConfigErrors> {
        let mode = context.mode();
        let hosts = HostAllowlist::from_config(self, mode)?;
        Ok((hosts, ServerQuirks::new(self.behind, mode)))
    }
}

impl Inspect for HostAllowlist {
    fn name(&self) -> &'static str {
        "hosts"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        let asked = asked(facts);
        let any = self.names.is_empty() && self.parents.is_empty();
        if any || self.knows(without_port(asked)) || self.is_health_check(facts) {
            return Verdict::Pass;
        }
        let why = "the server does not answer for the host";
        let cause = Cause::new(Self::FOREIGN, Reason::Other(why.into()));
        Denial::new(cause, StatusCode::MISDIRECTED_REQUEST)
            .with_evidence(asked)
            .with_mode(self.mode)
            .into()
    }
}

/// The host that a request asks for: its target's, or its `Host`.
pub(crate) fn asked<'f>(facts: &'f Facts<'_>) -> &'f [u8] {
    match facts.uri.authority() {
        Some(authority) => authority.as_str().as_bytes(),
        None => facts
            .headers
            .get(HOST)
            .map_or(&b""[..], |host| host.as_bytes()),
    }
}

/// A host without its port, the dot at its end, and the brackets of an IPv6 address.
pub(crate) fn without_port(host: &[u8]) -> &[u8] {
    if let Some(inner) = host.strip_prefix(b"[") {
        return inner.split(|&byte| byte == b']').next().unwrap_or_default();
    }
    let name = host.split(|&byte| byte == b':').next().unwrap_or_default();
    name.strip_suffix(b".").unwrap_or(name)
}

/// A name as it is looked up; `None` where it can be no host's.
fn plain_name(name: &str) -> Option<Box<[u8]>> {
    let address = name.parse::<std::net::IpAddr>().is_ok();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let named = !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(plain);
    (address || named).then(|| name.to_ascii_lowercase().into_bytes().into())
}
