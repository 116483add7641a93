//! Refuses clients that are on a list or banned for a time.
//!
//! A request passes when:
//! 1. no list holds its client's address, and
//! 2. no ban of its client is in force.
//!
//! What an operator wrote into a list is obeyed, even of an address that no rule may ban by
//! itself (see [`ClientRules::exempts`](gabion_core::ClientRules::exempts)). Whoever must never be
//! refused belongs into `[allow]`, which is judged first. [`ListCheck`] tells, before a list comes into
//! force, whether it would hit those.

mod activity;
mod arbiter;
mod budget;
mod config;
mod list;
mod list_check;
mod ranges;
mod share;
mod table;
#[cfg(test)]
mod tests;

use std::{iter, sync::Arc};

use gabion_core::{
    Cause, Denial, Facts, Inspect, Mode, Offense, Outcome, Reason, RequestState, RuleId, Verdict,
};
use http::StatusCode;

pub use arbiter::BanArbiter;
pub use config::BanConfig;
pub use list::{List, ListError, ListProblem};
pub use list_check::{ListCheck, ListRejection};
pub use ranges::{IpRanges, Listed};
pub use share::{AddressShare, AddressShareError};
pub use table::{ActiveBan, BanTable};

use crate::{Config, ConfigError, ConfigErrors, ConfigPath, Context, Problem};

/// Refuses clients that are on a list or banned for a time, with 403.
///
/// # Cost
///
/// For a client that may pass, two lookups ([`IpRanges`], [`BanTable`]): no allocation, no lock.
///
/// # Examples
///
/// ```
/// # use gabion_core::{ClientRules, Facts, Head, Now, PeerAddr};
/// # use http::{HeaderMap, Method, Uri, Version};
/// # use std::time::{Duration, SystemTime};
/// use std::net::SocketAddr;
///
/// use gabion_core::{Inspect, RequestState, Verdict};
/// use gabion_inspect::{BanConfig, Config, Context, List, State};
///
/// let feed = List::parse("drop.netset", "# worst first\n198.51.100.0/24\n")?;
/// let config = BanConfig {
///     files: ["drop.netset"].into_iter().collect(),
///     ..BanConfig::default()
/// };
/// let context = Context::new(&State::scratch()).with_lists(vec![feed]);
/// let ban = config.compile(&context).unwrap();
///
/// # let (headers, uri) = (HeaderMap::new(), Uri::from_static("/"));
/// # let head = Head {
/// #     method: &Method::GET,
/// #     uri: &uri,
/// #     version: Version::HTTP_11,
/// #     headers: &headers,
/// #     protocol: None,
/// #     framing: gabion_core::Framing::AsShown,
/// #     scheme: gabion_core::Scheme::Plain,
/// # };
/// let judge = |peer: &str| {
///     let peer: SocketAddr = peer.parse().unwrap();
/// #   let now = Now::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
///     let facts = Facts::resolve(head, PeerAddr::new(peer), &ClientRules::default(), now);
///     ban.inspect(&facts, &mut RequestState::new(&facts))
/// };
/// assert_eq!(judge("192.0.2.1:443"), Verdict::Pass);
/// assert_eq!(
///     judge("198.51.100.7:443").to_string(),
///     "denied (403): rule ban/list: address is in 198.51.100.0/24 (drop.netset:2)",
/// );
/// # Ok::<(), gabion_inspect::ListError>(())
/// ```
#[derive(Debug)]
pub struct Ban {
    listed: IpRanges,
    arbiter: Arc<BanArbiter>,
    mode: Mode,
}

// === impl Ban ===

impl Ban {
    /// The rule that refuses a client on a list.
    pub const LIST: RuleId = RuleId::builtin("ban/list");

    /// The rule that refuses a client banned for a time.
    pub const TIMED: RuleId = RuleId::builtin("ban/timed");

    /// How many different networks are always refused.
    pub fn entries(&self) -> usize {
        self.listed.len()
    }

    fn refuse(&self, rule: RuleId, reason: Reason) -> Verdict {
        Denial::new(Cause::new(rule, reason), StatusCode::FORBIDDEN)
            .with_mode(self.mode)
            .into()
    }
}

impl Config for BanConfig {
    type Output = Ban;

    /// Compiles the networks of the config, called `ban.networks`, and then the lists of `context`, in
    /// their order. Of entries for one network the first counts.
    ///
    /// # Errors
    ///
    /// A network that is the whole address space; lists other than those that [`Self::files`] names; more
    /// networks than [`IpRanges`] holds.
    fn compile(&self, context: &Context) -> Result<Ban, ConfigErrors> {
        let inline = self.list();
        let mut errors = whole_spaces(&inline);
        errors.extend(strangers(self, context.lists()));
        ConfigErrors::any(errors)?;
        let all: Vec<_> = iter::once(&inline).chain(context.lists()).collect();
        let listed = IpRanges::build(&all)
            .map_err(|problem| ConfigPath::new("ban", "files").refuse(problem))?;
        Ok(Ban {
            listed,
            arbiter: Arc::clone(context.state().arbiter()),
            mode: context.mode(),
        })
    }
}

impl Inspect for Ban {
    fn name(&self) -> &'static str {
        "ban"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        if let Some(listed) = self.listed.find(facts.client.addr()) {
            return self.refuse(Self::LIST, listed.into());
        }
        match self.arbiter.table().active(&facts.client, facts.now) {
            Some(ActiveBan { by, left, .. }) => {
                self.refuse(Self::TIMED, Reason::Banned { by, left })
            }
            None => Verdict::Pass,
        }
    }

    fn recheck(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.inspect(facts, state)
    }

    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        self.arbiter.record(state, outcome);
        None
    }
}

fn whole_spaces(inline: &List) -> Vec<ConfigError> {
    let place = ConfigPath::new("ban", "networks");
    let networks = inline.networks().enumerate();
    let whole = networks.filter(|(_, (network, _))| network.prefix_len() == 0);
    let errors =
        whole.map(|(entry, (network, _))| place.entry(entry).refuse(Problem::WholeSpace(network)));
    errors.collect()
}

/// The first list that is another than `config` names at its place: one that nobody handed over
/// would be a hole that nobody sees.
fn strangers(config: &BanConfig, lists: &[List]) -> Option<ConfigError> {
    let place = ConfigPath::new("ban", "files");
    let mut given = lists.iter().map(List::name);
    for (entry, named) in config.files.iter().enumerate() {
        if given.next().is_none_or(|given| **given != **named) {
            return Some(
                place
                    .entry(entry)
                    .refuse(Problem::MissingList(named.clone())),
            );
        }
    }
    let unnamed = given.next()?;
    Some(place.refuse(Problem::UnnamedList(unnamed.to_string())))
}
