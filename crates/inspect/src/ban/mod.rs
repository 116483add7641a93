//! Refuses clients that are on a list or banned for a time.
//!
//! A request passes when:
//! 1. no list holds its client's address, and
//! 2. no ban of its client is in force.
//!
//! What an operator wrote into a list is obeyed, even of an address that no rule may ban by
//! itself (see [`ClientRules::exempts`](gabion_core::ClientRules::exempts)). Whoever must never be
//! refused belongs into `[allow]`, which is judged first.

mod config;
mod list;
mod ranges;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use gabion_core::{Cause, Denial, Facts, Inspect, Mode, Reason, RuleId, Trace, Verdict};
use http::StatusCode;
use ipnet::IpNet;

pub use config::BanConfig;
pub use list::{List, ListError, ListProblem};
pub use ranges::{IpRanges, Listed};
pub use table::{BanTable, Standing};

use crate::{ConfigErrors, Network, Place, Problem};

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
/// use std::{net::SocketAddr, sync::Arc};
///
/// use gabion_core::{Inspect, Mode, Trace, Verdict};
/// use gabion_inspect::{Ban, BanConfig, BanTable, List};
///
/// let feed = List::parse("drop.netset", "# worst first\n198.51.100.0/24\n")?;
/// let bans = Arc::new(BanTable::new(100_000));
/// let ban = Ban::compile(&BanConfig::default(), vec![feed], Mode::Enforce, bans).unwrap();
///
/// # let (headers, uri) = (HeaderMap::new(), Uri::from_static("/"));
/// # let head = Head {
/// #     method: &Method::GET,
/// #     uri: &uri,
/// #     version: Version::HTTP_11,
/// #     headers: &headers,
/// #     protocol: None,
/// # };
/// let judge = |peer: &str| {
///     let peer: SocketAddr = peer.parse().unwrap();
/// #   let now = Now::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
///     let facts = Facts::resolve(head, PeerAddr::new(peer), &ClientRules::default(), now);
///     ban.inspect(&facts, &mut Trace::new(&facts))
/// };
/// assert_eq!(judge("192.0.2.1:443"), Verdict::Pass);
/// assert_eq!(
///     judge("198.51.100.7:443").to_string(),
///     "deny with 403: rule ban/list: address is in 198.51.100.0/24 (drop.netset:2)",
/// );
/// # Ok::<(), gabion_inspect::ListError>(())
/// ```
#[derive(Debug)]
pub struct Ban {
    listed: IpRanges,
    bans: Arc<BanTable>,
    mode: Mode,
}

// === impl Ban ===

impl Ban {
    /// The rule that refuses a client on a list.
    pub const LIST: RuleId = RuleId::builtin("ban/list");

    /// The rule that refuses a client banned for a time.
    pub const TIMED: RuleId = RuleId::builtin("ban/timed");

    /// Compiles the networks of `config`, which are called `ban.networks`, and then `lists`: what
    /// its files hold, in their order. Where one network is named twice, the first counts. `bans`
    /// is shared with whoever bans, and outlives this.
    ///
    /// # Errors
    ///
    /// Refuses a network that is the whole address space, and more than [`IpRanges`] holds.
    pub fn compile(
        config: &BanConfig,
        lists: Vec<List>,
        mode: Mode,
        bans: Arc<BanTable>,
    ) -> Result<Self, ConfigErrors> {
        let inline: Vec<IpNet> = config.networks.iter().copied().map(Network::net).collect();
        let place = Place::new("ban", "networks");
        let whole = inline.iter().enumerate();
        let errors = whole
            .filter(|(_, net)| net.prefix_len() == 0)
            .map(|(entry, &net)| place.entry(entry).refuse(Problem::WholeSpace(net)))
            .collect();
        ConfigErrors::any(errors)?;
        let mut all = vec![List::inline("ban.networks", inline)];
        all.extend(lists);
        let listed =
            IpRanges::build(&all).map_err(|problem| Place::new("ban", "files").refuse(problem))?;
        Ok(Self { listed, bans, mode })
    }

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

impl Inspect for Ban {
    fn name(&self) -> &'static str {
        "ban"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut Trace) -> Verdict {
        if let Some(listed) = self.listed.find(facts.client.addr()) {
            return self.refuse(Self::LIST, listed.into());
        }
        match self.bans.standing(&facts.client, facts.now) {
            Some(Standing { by, left }) => self.refuse(Self::TIMED, Reason::Banned { by, left }),
            None => Verdict::Pass,
        }
    }
}
