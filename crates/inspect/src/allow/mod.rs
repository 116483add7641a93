//! The allowlist of clients and paths.
//!
//! A request is allowed if
//! 1. its client address is in an allowed network, or an operator exempted it for a time ([`AllowTable`]),
//!    unless it is a private address from a header ([`gabion_core::ClientIp::may_be_allowed`]); or
//! 2. its path is well-formed and lies below an allowed path, byte for byte, in *every* view, so that
//!    no server resolves it to another path. Rules that restrict a path match in *any* view and
//!    compare names tolerantly ([`gabion_core::PathPrefixes`]): a path in doubt is not allowed, but
//!    denied, limited and judged.

mod config;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use gabion_core::{
    Cause, ClientIp, Facts, Inspect, Needs, Now, PathViews, Reason, RequestState, RuleId,
    Transformations, Verdict,
};
use ipnet::IpNet;

use crate::{BanArbiter, Config, ConfigErrors, ConfigPath, Context, Network, Problem};

pub use config::AllowConfig;
pub use table::{ActiveAllow, AllowTable};

/// Allows requests by client address or path, which ends judgment. Compiled from [`AllowConfig`]. The
/// exemptions by an operator are in the [`AllowTable`] of [`State`](crate::State).
///
/// # Cost
///
/// One comparison per network and per path, and an atomic load while no client is exempted. An allowlist has few of them. No allocation.
///
/// # Examples
///
/// ```
/// use gabion_core::{ClientRules, Inspect, RequestState, Verdict};
/// use gabion_inspect::{AllowConfig, Config, Context, State};
/// # use gabion_testkit::OwnedHead;
///
/// let mut config = AllowConfig::default();
/// config.paths = ["/.well-known"].into_iter().collect();
/// let allow = config.compile(&Context::new(&State::scratch()))?;
///
/// let judge = |target: &str| {
///     let head = OwnedHead::get(target);
///     let facts = head.facts(&ClientRules::default());
///     allow.inspect(&facts, &mut RequestState::new(&facts))
/// };
/// assert!(matches!(judge("/.well-known/acme-challenge/x"), Verdict::Allow(_)));
/// // Dot segments lead elsewhere in some view, so other inspectors judge the request.
/// assert_eq!(judge("/.well-known/../admin"), Verdict::Pass);
/// assert_eq!(judge("/admin/../.well-known"), Verdict::Pass);
/// # Ok::<(), gabion_inspect::ConfigErrors>(())
/// ```
#[derive(Debug)]
pub struct Allow {
    arbiter: Arc<BanArbiter>,
    networks: Vec<IpNet>,
    paths: Vec<Box<[u8]>>,
}

const BY_NETWORK: RuleId = RuleId::builtin("allow/network");
const BY_OPERATOR: RuleId = RuleId::builtin("allow/operator");
const BY_PATH: RuleId = RuleId::builtin("allow/path");

impl Allow {
    fn from_config(config: &AllowConfig, arbiter: &Arc<BanArbiter>) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        for (entry, network) in config.networks.iter().enumerate() {
            if network.net().prefix_len() == 0 {
                let path = ConfigPath::new("allow", "networks").entry(entry);
                errors.push(path.error(Problem::WholeSpace(network.net())));
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
                            .error(problem),
                    );
                }
            }
        }
        ConfigErrors::check(errors)?;
        let networks = config.networks.iter().copied().map(Network::net).collect();
        let arbiter = Arc::clone(arbiter);
        Ok(Self {
            arbiter,
            networks,
            paths,
        })
    }

    /// Returns `true` if the policy allows requests of `client`, or requests for `path`.
    pub fn allows(&self, client: &ClientIp, path: &PathViews<'_>) -> bool {
        self.find_network(client).is_some() || self.find_path(path).is_some()
    }

    fn judge(&self, client: &ClientIp, path: &PathViews<'_>, now: Now) -> Verdict {
        let cause = self.by_network(client).or_else(|| self.by_path(path));
        let cause = cause.or_else(|| self.by_operator(client, now));
        cause.map_or(Verdict::Pass, Verdict::allow)
    }

    fn by_operator(&self, client: &ClientIp, now: Now) -> Option<Cause> {
        let allow = self.arbiter.allows().active(client, now)?;
        let left = allow.left.as_secs();
        let reason = format!("an operator allows {} for {left} s more", client.addr());
        let cause = Cause::new(BY_OPERATOR, Reason::Other(reason.into()));
        client.may_be_allowed().then_some(cause)
    }

    fn by_network(&self, client: &ClientIp) -> Option<Cause> {
        let network = self.find_network(client)?;
        let reason = format!("{} is in {network}", client.addr());
        Some(Cause::new(BY_NETWORK, Reason::Other(reason.into())))
    }

    fn find_network(&self, client: &ClientIp) -> Option<&IpNet> {
        let holds = |network: &&IpNet| network.contains(&client.addr());
        let network = self.networks.iter().find(holds);
        network.filter(|_| client.may_be_allowed())
    }

    fn by_path(&self, path: &PathViews<'_>) -> Option<Cause> {
        let path = self.find_path(path)?;
        let cause = Cause::in_path(BY_PATH, Reason::Prefix, path, Transformations::AS_SENT);
        Some(cause)
    }

    fn find_path(&self, views: &PathViews<'_>) -> Option<&[u8]> {
        let mut paths = self.paths.iter().map(AsRef::as_ref);
        let allowed = |path: &&[u8]| views.iter().all(|view| view.is_below(path));
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
    /// Every network that covers the whole address space, and every path that is not in canonical
    /// form or is the root.
    fn compile(&self, context: &Context) -> Result<Allow, ConfigErrors> {
        Allow::from_config(self, context.state().arbiter())
    }
}

impl Inspect for Allow {
    fn name(&self) -> &'static str {
        "allow"
    }

    fn needs(&self) -> Needs {
        Needs::REQUESTS | Needs::RECHECKS
    }

    fn inspect(&self, facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
        self.judge(&facts.client, &facts.path, facts.now)
    }

    fn recheck(&self, client: &ClientIp, path: &PathViews<'_>, now: Now) -> Verdict {
        self.judge(client, path, now)
    }
}

fn path(text: &str) -> Result<&[u8], Problem> {
    let invalid = |why| Problem::Path {
        path: text.to_owned(),
        why,
    };
    let views = PathViews::new(text.as_bytes());
    if views.malformed().is_some() || views.iter().any(|view| view.path != text.as_bytes()) {
        return Err(invalid("write it in canonical form, beginning with `/`"));
    }
    match text.trim_end_matches('/') {
        "" => Err(invalid("it would allow every request")),
        path => Ok(path.as_bytes()),
    }
}
