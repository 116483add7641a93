//! Ban lists and timed bans.
//!
//! A request passes if
//! 1. no ban list contains its client address, and
//! 2. its client has no active timed ban.
//!
//! A ban list is applied as written, even to addresses that no rule may ban (see
//! [`ClientRules::exempts`](gabion_core::ClientRules::exempts)). Clients that must never be denied
//! belong in `[allow]`, which is evaluated first. [`ListCheck`] reports lists that cover them
//! before the lists are used.

mod activity;
mod arbiter;
mod budget;
mod config;
mod crawlers;
mod escalation;
mod files;
mod list;
mod list_check;
mod neighbors;
mod ranges;
mod share;
mod standing;
mod suspects;
mod table;
#[cfg(test)]
mod tests;
mod without_bans;

use std::{iter, sync::Arc};

use gabion_core::{
    Cause, ClientIp, Denial, Facts, Findings, Inspect, Mode, Needs, Now, Outcome, PathViews,
    Reason, RequestState, RuleId, Verdict,
};
use http::StatusCode;

pub use arbiter::BanArbiter;
pub use config::{BanConfig, BanSettings, NeighborsConfig};
pub use crawlers::{CrawlerConfig, CrawlerFinding, CrawlerLookup, CustomCrawler, KnownCrawler};
pub use files::{BanFile, BanFiles, ListEffect, OnListError};
pub use list::{List, ListError, ListProblem};
pub use list_check::{ListCheck, ListRejection};
pub use ranges::{IpRanges, Listed};
pub use share::{AddressShare, AddressShareError};
pub use table::{ActiveBan, BanTable};

use crate::{Config, ConfigError, ConfigErrors, ConfigPath, Context, Problem};
use crawlers::CrawlerAgents;

/// Denies clients that are on a ban list or have a timed ban, with 403.
///
/// Compiled from [`BanConfig`]. Timed bans are in the [`BanTable`] of [`State`](crate::State); its
/// [`BanArbiter`] adds them.
///
/// # Cost
///
/// Two lookups for a client that passes ([`IpRanges`], [`BanTable`]): no allocation, no lock. With
/// [`BanConfig::crawlers`], also one search of the `User-Agent`, and one sharded lock for a client that claims to be a
/// crawler.
///
/// # Examples
///
/// ```
/// # use gabion_testkit::OwnedHead;
/// use gabion_core::{ClientRules, Inspect, RequestState, Verdict};
/// use gabion_inspect::{BanConfig, Config, Context, List, State};
///
/// let list = List::parse("drop.netset", "# worst first\n198.51.100.0/24\n")?;
/// let mut config = BanConfig::default();
/// config.files = ["drop.netset"].into_iter().collect();
/// let context = Context::new(&State::scratch()).with_lists(vec![list]);
/// let ban = config.compile(&context).unwrap();
///
/// let judge = |addr: &str| {
///     let head = OwnedHead::get("/").from(addr);
///     let facts = head.facts(&ClientRules::default());
///     ban.inspect(&facts, &mut RequestState::new(&facts))
/// };
/// assert_eq!(judge("192.0.2.1"), Verdict::Pass);
/// assert_eq!(
///     judge("198.51.100.7").to_string(),
///     "denied (403): rule ban/list: address is in 198.51.100.0/24 (drop.netset:2)",
/// );
/// # Ok::<(), gabion_inspect::ListError>(())
/// ```
#[derive(Debug)]
pub struct Ban {
    listed: IpRanges,
    arbiter: Arc<BanArbiter>,
    /// `None` without a crawler.
    crawlers: Option<CrawlerAgents>,
    mode: Mode,
}

// === impl Ban ===

impl Ban {
    /// The id of the rule that denies clients on a ban list.
    pub const LIST: RuleId = RuleId::builtin("ban/list");

    /// The id of the rule that denies clients with a timed ban.
    pub const TIMED: RuleId = RuleId::builtin("ban/timed");

    /// Returns the number of different networks on ban lists.
    pub fn entries(&self) -> usize {
        self.listed.len()
    }

    fn judge(&self, client: &ClientIp, now: Now) -> Verdict {
        if let Some(listed) = self.listed.find(client.addr()) {
            return self.deny(Self::LIST, listed.into());
        }
        // The network around banned clients can contain a proxy.
        let is_exempt = || client.exempt_from_bans().is_some();
        match self.arbiter.table().active(client, now) {
            Some(_) if is_exempt() => Verdict::Pass,
            Some(ActiveBan { by, left, .. }) => self.deny(Self::TIMED, Reason::Banned { by, left }),
            None => Verdict::Pass,
        }
    }

    fn deny(&self, rule: RuleId, reason: Reason) -> Verdict {
        Denial::new(Cause::new(rule, reason), StatusCode::FORBIDDEN)
            .with_mode(self.mode)
            .into()
    }
}

impl Config for BanConfig {
    type Output = Ban;

    /// Compiles [`Self::networks`] as the list `ban.networks`, followed by the lists of `context` that
    /// deny, in order. A network in several lists is attributed to the first.
    ///
    /// # Errors
    ///
    /// A network that covers the whole address space; lists in `context` other than those in
    /// [`Self::files`]; more networks than [`IpRanges`] holds.
    fn compile(&self, context: &Context) -> Result<Ban, ConfigErrors> {
        let inline = self.list();
        let mut errors = whole_address_spaces(&inline);
        errors.extend(mismatched_list(self, context.lists()));
        ConfigErrors::check(errors)?;
        let files = self.lists(context.lists(), ListEffect::Deny);
        let all: Vec<_> = iter::once(&inline).chain(files).collect();
        let listed = IpRanges::build(&all)
            .map_err(|problem| ConfigPath::new("ban", "files").error(problem))?;
        let crawlers = CrawlerAgents::new(&self.crawlers)
            .map_err(|problem| ConfigPath::new("ban", "crawlers").error(problem))?;
        Ok(Ban {
            listed,
            arbiter: Arc::clone(context.state().arbiter()),
            crawlers,
            mode: context.mode(),
        })
    }
}

impl Inspect for Ban {
    fn name(&self) -> &'static str {
        "ban"
    }

    fn needs(&self) -> Needs {
        Needs::REQUESTS | Needs::RECHECKS | Needs::RESPONSES
    }

    fn inspect(&self, facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
        let verdict = self.judge(&facts.client, facts.now);
        if let Some(crawlers) = &self.crawlers
            && let Some(crawler) = crawlers.find(facts)
            && facts.client.exempt_from_bans().is_none()
        {
            self.arbiter.record_crawler_agent(&facts.client, crawler);
        }
        verdict
    }

    fn recheck(&self, client: &ClientIp, _path: &PathViews<'_>, now: Now) -> Verdict {
        self.judge(client, now)
    }

    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>, _: &mut Findings) {
        self.arbiter.record(state, outcome);
    }
}

fn whole_address_spaces(inline: &List) -> Vec<ConfigError> {
    let path = ConfigPath::new("ban", "networks");
    let networks = inline.networks().enumerate();
    let whole = networks.filter(|(_, (network, _))| network.prefix_len() == 0);
    let errors =
        whole.map(|(entry, (network, _))| path.entry(entry).error(Problem::WholeSpace(network)));
    errors.collect()
}

/// Returns an error for the first list of `context` that differs from [`BanConfig::files`] at its
/// index. A missing list would leave clients unbanned without notice.
fn mismatched_list(config: &BanConfig, lists: &[List]) -> Option<ConfigError> {
    let path = ConfigPath::new("ban", "files");
    let mut loaded = lists.iter().map(List::name);
    for (entry, named) in config.files.iter().enumerate() {
        let named = &named.file;
        if loaded.next().is_none_or(|loaded| **loaded != **named) {
            return Some(path.entry(entry).error(Problem::MissingList(named.clone())));
        }
    }
    let unnamed = loaded.next()?;
    Some(path.error(Problem::UnnamedList(unnamed.to_string())))
}
