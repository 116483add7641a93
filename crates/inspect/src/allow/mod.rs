//! Lets through what is never to be judged further.
//!
//! A request is let through when
//! 1. its client's address lies in a network of the safelist, unless the address is a private one
//!    that came out of a header ([`gabion_core::ClientIp::may_be_allowed`]); or
//! 2. its path is well-formed and lies under an allowed path in *every* view, so that no reading
//!    of it leads elsewhere.

mod config;
#[cfg(test)]
mod tests;

use gabion_core::{
    Cause, ClientIp, Facts, Inspect, PathViews, Reason, RequestState, RuleId, Transformations,
    Verdict,
};
use ipnet::IpNet;

use crate::{Config, ConfigErrors, ConfigPath, Context, Network, Problem};

pub use config::AllowConfig;

/// Lets requests through by address or path. Compiled from [`AllowConfig`]; immutable.
///
/// # Cost
///
/// A comparison per network and per path, of which a safelist has few. No allocation.
#[derive(Debug)]
pub struct Allow {
    networks: Vec<IpNet>,
    paths: Vec<Box<[u8]>>,
}

const BY_NETWORK: RuleId = RuleId::builtin("allow/network");
const BY_PATH: RuleId = RuleId::builtin("allow/path");

impl Allow {
    fn from_config(config: &AllowConfig) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        for (entry, network) in config.networks.iter().enumerate() {
            if network.net().prefix_len() == 0 {
                let place = ConfigPath::new("allow", "networks").entry(entry);
                errors.push(place.refuse(Problem::WholeSpace(network.net())));
            }
        }
        let mut paths = Vec::with_capacity(config.paths.len());
        for (entry, text) in config.paths.iter().enumerate() {
            match path(text) {
                Ok(path) => paths.push(path.into()),
                Err(problem) => {
                    errors.push(
                        ConfigPath::new("allow", "paths")
                            .entry(entry)
                            .refuse(problem),
                    );
                }
            }
        }
        ConfigErrors::any(errors)?;
        let networks = config.networks.iter().copied().map(Network::net).collect();
        Ok(Self { networks, paths })
    }

    /// Whether `client`, or whatever it asks for on `path`, is let through.
    pub fn lets(&self, client: &ClientIp, path: &PathViews<'_>) -> bool {
        self.network_of(client).is_some() || self.path_above(path).is_some()
    }

    fn by_network(&self, facts: &Facts<'_>) -> Option<Cause> {
        let network = self.network_of(&facts.client)?;
        let why = format!("{} is in {network}", facts.client.addr());
        Some(Cause::new(BY_NETWORK, Reason::Other(why.into())))
    }

    fn network_of(&self, client: &ClientIp) -> Option<&IpNet> {
        let holds = |network: &&IpNet| network.contains(&client.addr());
        let network = self.networks.iter().find(holds);
        network.filter(|_| client.may_be_allowed())
    }

    fn by_path(&self, facts: &Facts<'_>) -> Option<Cause> {
        let path = self.path_above(&facts.path)?;
        let cause = Cause::in_path(BY_PATH, Reason::Prefix, path, Transformations::AS_SENT);
        Some(cause)
    }

    fn path_above(&self, views: &PathViews<'_>) -> Option<&[u8]> {
        let mut paths = self.paths.iter().map(AsRef::as_ref);
        let allowed = |path: &&[u8]| views.iter().all(|view| is_under(view.path, path));
        if views.malformed().is_some() {
            return None;
        }
        paths.find(allowed)
    }
}

impl Config for AllowConfig {
    type Output = Allow;

    /// # Errors
    ///
    /// Every network that is the whole address space, and every path that is not written plainly
    /// or is the root.
    fn compile(&self, _context: &Context) -> Result<Allow, ConfigErrors> {
        Allow::from_config(self)
    }
}

impl Inspect for Allow {
    fn name(&self) -> &'static str {
        "allow"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        let cause = self.by_network(facts).or_else(|| self.by_path(facts));
        cause.map_or(Verdict::Pass, Verdict::Allow)
    }

    fn recheck(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.inspect(facts, state)
    }
}

/// Whether `path` is `prefix` or lies below it.
fn is_under(path: &[u8], prefix: &[u8]) -> bool {
    matches!(path.strip_prefix(prefix), Some([] | [b'/', ..]))
}

fn path(text: &str) -> Result<&[u8], Problem> {
    let refuse = |why| Problem::Path {
        path: text.to_owned(),
        why,
    };
    let views = PathViews::new(text.as_bytes());
    if views.malformed().is_some() || views.iter().any(|view| view.path != text.as_bytes()) {
        return Err(refuse("write it plainly, beginning with /"));
    }
    match text.trim_end_matches('/') {
        "" => Err(refuse("it would allow everything")),
        path => Ok(path.as_bytes()),
    }
}
