//! The allowlist of hosts.
//!
//! Scanners sweep address ranges without knowing host names: most requests for a bare address, or
//! for an unrelated host name, come from scans. A request passes if
//! 1. no host is configured; or
//! 2. its host, without port, case and trailing dot, is configured; or
//! 3. it is a health check: it comes directly from a trusted proxy, on behalf of no client, and its
//!    path or user agent is configured for health checks.
//!
//! Other requests are denied with 421 (RFC 9110, section 15.5.20).

mod config;
mod name;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::HashSet, net::Ipv6Addr, str};

use gabion_core::{
    Cause, Denial, Facts, Inspect, KnownHeader, Mode, Needs, Reason, RequestState, RuleId, Verdict,
};
use http::StatusCode;

use crate::{Config, ConfigErrors, ConfigPath, Context, Problem, ServerQuirks};

use name::{HostName, MAX_NAME};

pub use config::ServerConfig;

/// Denies requests for hosts that are not configured. Compiled from [`ServerConfig`]; immutable.
///
/// # Cost
///
/// One hash lookup, or two if wildcards are configured. No allocation.
///
/// # Examples
///
/// ```
/// use gabion_core::{ClientRules, Inspect, RequestState, Verdict};
/// use gabion_inspect::{Config, Context, ServerConfig, State};
/// # use gabion_testkit::OwnedHead;
///
/// let mut config = ServerConfig::default();
/// config.hosts = ["app.example", "*.app.example"].into_iter().collect();
/// let (hosts, _quirks) = config.compile(&Context::new(&State::scratch()))?;
///
/// let judge = |host: &str| {
///     let head = OwnedHead::get("/").host(host);
///     let facts = head.facts(&ClientRules::default());
///     hosts.inspect(&facts, &mut RequestState::new(&facts))
/// };
/// assert_eq!(judge("App.example:8080"), Verdict::Pass);
/// assert_eq!(judge("api.app.example"), Verdict::Pass);
/// assert!(judge("192.0.2.1").to_string().starts_with("denied (421): rule host/foreign"));
/// # Ok::<(), gabion_inspect::ConfigErrors>(())
/// ```
#[derive(Debug)]
pub struct HostAllowlist {
    names: HashSet<Box<[u8]>>,
    /// The parent domains of wildcards, without `*.`.
    parents: HashSet<Box<[u8]>>,
    addresses: HashSet<Ipv6Addr>,
    health_paths: Vec<String>,
    health_agents: Vec<String>,
    mode: Mode,
}

impl HostAllowlist {
    /// The id of the rule that denies.
    pub const FOREIGN: RuleId = RuleId::builtin("host/foreign");

    pub(crate) fn from_config(config: &ServerConfig, mode: Mode) -> Result<Self, ConfigErrors> {
        let mut hosts = Self {
            names: HashSet::new(),
            parents: HashSet::new(),
            addresses: HashSet::new(),
            health_paths: config.health_paths.to_vec(),
            health_agents: config.health_agents.to_vec(),
            mode,
        };
        let mut errors = Vec::new();
        for (entry, host) in config.hosts.iter().enumerate() {
            match HostName::parse(host) {
                Ok(host) => hosts.add(host),
                Err(why) => {
                    let name = host.clone();
                    let path = ConfigPath::new("server", "hosts").entry(entry);
                    errors.push(path.error(Problem::Name { name, why }));
                }
            }
        }
        for (entry, path) in config.health_paths.iter().enumerate() {
            if !path.starts_with('/') {
                let problem = Problem::Path {
                    path: path.clone(),
                    why: "it must begin with `/`",
                };
                errors.push(
                    ConfigPath::new("server", "health_paths")
                        .entry(entry)
                        .error(problem),
                );
            }
        }
        ConfigErrors::check(errors)?;
        Ok(hosts)
    }

    /// Returns the names without wildcards, sorted.
    pub(crate) fn names(&self) -> Vec<&[u8]> {
        let mut names: Vec<_> = self.names.iter().map(AsRef::as_ref).collect();
        names.sort_unstable();
        names
    }

    fn add(&mut self, host: HostName) {
        match host {
            HostName::Exact(name) => self.names.insert(name.into_bytes().into()),
            HostName::Wildcard(parent) => self.parents.insert(parent.into_bytes().into()),
            HostName::Address(address) => self.addresses.insert(address),
        };
    }

    /// Returns `true` if `host`, given without its port, is configured.
    pub(crate) fn contains(&self, host: &[u8]) -> bool {
        let mut folded = [0; MAX_NAME];
        let Some(name) = folded.get_mut(..host.len()) else {
            return false;
        };
        name.copy_from_slice(host);
        name.make_ascii_lowercase();
        let parent = name.iter().position(|&byte| byte == b'.');
        let parent = parent.and_then(|dot| name.get(dot.saturating_add(1)..));
        self.names.contains(&*name)
            || parent.is_some_and(|parent| self.parents.contains(parent))
            || self.contains_address(name)
    }

    fn contains_address(&self, host: &[u8]) -> bool {
        let address = || str::from_utf8(host).ok()?.parse().ok();
        !self.addresses.is_empty() && address().is_some_and(|host| self.addresses.contains(&host))
    }

    fn accepts_all(&self) -> bool {
        self.names.is_empty() && self.parents.is_empty() && self.addresses.is_empty()
    }

    fn is_health_check(&self, facts: &Facts<'_>) -> bool {
        let path = facts.path.raw();
        let agent = facts
            .index
            .first(KnownHeader::UserAgent)
            .map_or(&b""[..], |agent| agent.as_bytes());
        let has_path = |known: &String| known.as_bytes() == path;
        let has_agent = |known: &String| agent.starts_with(known.as_bytes());
        is_from_proxy_itself(facts)
            && (self.health_paths.iter().any(has_path) || self.health_agents.iter().any(has_agent))
    }
}

/// Returns `true` if a trusted proxy sends the request on behalf of no client.
fn is_from_proxy_itself(facts: &Facts<'_>) -> bool {
    facts.client.via_trusted() && !facts.client.is_forwarded()
}

/// Returns the reason of a denial. For a request that may be a health check, it has the line of the
/// policy that would let it pass.
fn reason(facts: &Facts<'_>) -> Cow<'static, str> {
    /// The longest path in a reason.
    const MAX_PATH: usize = 64;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte);
    let path = str::from_utf8(facts.path.raw()).ok();
    let path =
        path.filter(|path| path.len() <= MAX_PATH && path.bytes().all(|byte| is_plain(&byte)));
    match path.filter(|_| is_from_proxy_itself(facts)) {
        Some(path) => format!(
            "host not in [server] hosts; if this is a health check of a load balancer, set in \
             [server]: health_paths = [\"{path}\"]"
        )
        .into(),
        None => "host not in [server] hosts".into(),
    }
}

impl Config for ServerConfig {
    type Output = (HostAllowlist, ServerQuirks);

    /// # Errors
    ///
    /// Every entry of [`Self::hosts`] that is not a host name, and every health path that does not
    /// begin with `/`.
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

    fn needs(&self) -> Needs {
        Needs::REQUESTS.only_if(!self.accepts_all())
    }

    fn inspect(&self, facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
        let host = requested_host(facts);
        if self.accepts_all() || self.contains(without_port(host)) || self.is_health_check(facts) {
            return Verdict::Pass;
        }
        let cause = Cause::new(Self::FOREIGN, Reason::Other(reason(facts)));
        Denial::new(cause, StatusCode::MISDIRECTED_REQUEST)
            .with_evidence(host)
            .with_mode(self.mode)
            .into()
    }
}

/// Returns the requested host, or an empty one.
pub(crate) fn requested_host<'f>(facts: &Facts<'f>) -> &'f [u8] {
    facts.host().unwrap_or_default()
}

/// Removes the port, a trailing dot, and the brackets of an IPv6 address.
pub(crate) fn without_port(host: &[u8]) -> &[u8] {
    if let Some(inner) = host.strip_prefix(b"[") {
        return inner.split(|&byte| byte == b']').next().unwrap_or_default();
    }
    let name = host.split(|&byte| byte == b':').next().unwrap_or_default();
    name.strip_suffix(b".").unwrap_or(name)
}
