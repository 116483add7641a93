//! Decides whether an offense becomes a ban.
//!
//! A web page can cause its visitors to send any request that a link can express. Therefore the
//! [`Attribution`] of an offense decides:
//! 1. [`Attribution::Certain`], a request that only the client itself can have caused, bans.
//! 2. [`Attribution::Forgeable`], a request that a page can have caused, bans on the third
//!    different path within [`BanArbiter::MEMORY`], unless the client is in good standing. A path that is
//!    repeated [`BanArbiter::REPEATS`] times counts as another one. Good standing takes
//!    [`BanArbiter::GOOD`] recent successful responses that differ, or one opened WebSocket, to
//!    requests that matched no rule.
//! 3. [`Attribution::CrossSite`], a request that a page of another origin caused, never bans.
//!
//! No offense bans once the ban budget is used up ([`BanConfig::most_per_minute`](crate::BanConfig::most_per_minute) and
//! [`BanConfig::most_percent`](crate::BanConfig::most_percent)), nor for a client that an operator allows ([`AllowTable`]) or that a list
//! keeps from bans ([`ListEffect::NoBan`](crate::ListEffect::NoBan)), nor for one that claims to be a crawler
//! ([`BanConfig::crawlers`](crate::BanConfig::crawlers)) until its claim is refuted. Certain offenses have a larger budget of their own, so that forgeable
//! ones do not use it up, and no network can use up either. Each further ban of a client is longer
//! ([`BanConfig::growth`](crate::BanConfig::growth)), and several banned clients of a network can ban it ([`NeighborsConfig`](crate::NeighborsConfig)).
//!
//! # Limits
//!
//! Clients that share an address share its standing and its bans. A client that requests enough
//! different pages gains good standing, too. Responses differ by status and length, or by path if the
//! length is unknown or short ([`MIN_PAGE`]). An opened WebSocket counts for two to four hours, whether or
//! not it stays open.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gabion_core::{
    AllowRecord, Attribution, BanOutcome, BanRecord, BanSnapshot, BanUpdate, ClientIp, Mode, Now,
    Offense, OffenseHistory, OffenseRecorder, Outcome, RequestState, UpdateOrigin,
};
use ipnet::IpNet;

use super::{
    BanSettings, BanTable, CrawlerFinding, CrawlerLookup,
    budget::{BanBudget, Claim, SPAN},
    crawlers::{self, Crawler, Verifications},
    escalation::{Escalation, Sentence},
    neighbors::Neighbors,
    standing::{self, Standings},
    suspects::{self, Suspects},
    without_bans::WithoutBans,
};
use crate::{AllowTable, TableUsage};

/// Decides which [`Offense`]s become bans in its [`BanTable`]. Shared by all threads and kept
/// across policy reloads as part of [`State`](crate::State).
///
/// # Capacity
///
/// Of more clients than the capacity, those seen least often are dropped: they are neither under
/// suspicion nor in good standing. An entry takes about 100 bytes.
///
/// # Cost
///
/// [`Self::record`] runs once per exchange: for a known client it allocates nothing and takes one
/// sharded lock; for most clients in good standing, and for responses that are like earlier ones, none.
///
/// # Examples
///
/// ```
/// use std::{
///     sync::Arc,
///     time::{Duration, UNIX_EPOCH},
/// };
///
/// use gabion_core::{Attribution, BanOutcome, Now, Offense, OffenseRecorder, RuleId};
/// use gabion_inspect::{BanArbiter, BanTable};
/// # let client = gabion_testkit::client_at("203.0.113.9");
///
/// let arbiter = BanArbiter::new(Arc::new(BanTable::new(100)), 1_000);
/// let now = Now::new(Duration::ZERO, UNIX_EPOCH);
/// let ban_for = Duration::from_mins(10);
/// let page = |path| {
///     let offense = Offense::certain(RuleId::builtin("probe"), ban_for);
///     offense.with_attribution(Attribution::Forgeable { path })
/// };
/// assert_eq!(arbiter.record_offense(&client, &page(1), now), BanOutcome::Suspected { paths: 1, needed: 3 });
/// assert_eq!(arbiter.record_offense(&client, &page(2), now), BanOutcome::Suspected { paths: 2, needed: 3 });
/// assert!(matches!(arbiter.record_offense(&client, &page(3), now), BanOutcome::Banned(_)));
/// assert!(arbiter.table().active(&client, now).is_some());
/// ```
pub struct BanArbiter {
    table: Arc<BanTable>,
    allows: AllowTable,
    suspects: Suspects,
    pub(super) standings: Standings,
    budget: BanBudget,
    escalation: Escalation,
    pub(super) neighbors: Neighbors,
    crawlers: Verifications,
    /// Clients that rules never ban. Locked for each offense, which no clean request causes.
    without_bans: Mutex<Option<Arc<WithoutBans>>>,
}

// === impl BanArbiter ===

impl BanArbiter {
    /// The number of different paths that are evidence for a ban.
    pub const PATHS: usize = suspects::PATHS;

    /// The time after the last suspicious path in which earlier paths count.
    pub const MEMORY: Duration = suspects::MEMORY;

    /// The number of repetitions of suspicious paths that count as another path.
    pub const REPEATS: u32 = suspects::REPEATS;

    /// The period of good standing: a response counts in its period and the next.
    pub const PERIOD: Duration = standing::PERIOD;

    /// The number of recent successful responses that differ, for good standing.
    pub const GOOD: u32 = standing::GOOD;

    /// The time in which a verified crawler is never banned, before it is verified again.
    pub const VERIFIED_FOR: Duration = crawlers::VERIFIED_FOR;

    /// The time in which a client is treated as any other, if its claim to be a crawler is refuted or could not be
    /// verified within [`BanArbiter::PENDING_FOR`].
    pub const REFUTED_FOR: Duration = crawlers::REFUTED_FOR;

    /// The time after which a [`CrawlerLookup`] without a finding is repeated.
    pub const LOOKUP_RETRY: Duration = crawlers::LOOKUP_RETRY;

    /// The time since its first offense in which a client that claims to be a crawler is not banned without a finding.
    pub const PENDING_FOR: Duration = crawlers::PENDING_FOR;

    /// The largest number of clients that wait for the verification of their claim. Further ones are denied, and not
    /// banned.
    pub const MAX_PENDING: usize = crawlers::MAX_PENDING;

    /// The largest number of [`CrawlerLookup`]s that begin in a second.
    pub const LOOKUPS_PER_SECOND: u32 = crawlers::LOOKUPS_PER_SECOND;

    /// Creates an arbiter that bans in `table` and remembers at most `clients` clients.
    pub fn new(table: Arc<BanTable>, clients: usize) -> Self {
        Self {
            allows: AllowTable::new(Arc::clone(table.listeners())),
            table,
            suspects: Suspects::new(clients),
            standings: Standings::new(clients),
            budget: BanBudget::default(),
            escalation: Escalation::new(clients),
            neighbors: Neighbors::new(),
            crawlers: Verifications::new(clients),
            without_bans: Mutex::default(),
        }
    }

    /// Returns the timed bans.
    pub const fn table(&self) -> &Arc<BanTable> {
        &self.table
    }

    /// Returns the use of the tables of bans, exemptions and suspicious clients.
    pub fn tables(&self) -> Vec<TableUsage> {
        vec![
            self.table.usage(),
            self.allows.usage(),
            self.suspects.usage(),
            self.standings.usage(),
            self.escalation.usage(),
            self.neighbors.usage(),
            self.budget.usage(),
        ]
    }

    /// The clients that an operator exempted for a time.
    pub const fn allows(&self) -> &AllowTable {
        &self.allows
    }

    /// Takes over the ban budget, the growth of bans, the bans of neighbors, the crawlers, and the clients that are
    /// never banned.
    pub fn configure(&self, settings: BanSettings) {
        let BanSettings {
            config,
            without_bans,
        } = settings;
        self.budget.set(&config);
        self.escalation.configure(&config);
        self.neighbors.configure(&config.neighbors);
        self.crawlers.configure(&config.crawlers);
        *self.lock_without_bans() = without_bans;
    }

    /// Returns the reason why a client is never banned by rules.
    fn exemption(&self, client: &ClientIp, now: Now) -> Option<&'static str> {
        if self.allows.active(client, now).is_some() {
            return Some("an operator allows the client for now");
        }
        if self.crawlers.is_verified(client, now) {
            return Some(crawlers::VERIFIED);
        }
        let is_listed = |lists: Arc<WithoutBans>| lists.holds(client.addr());
        self.without_bans()
            .is_some_and(is_listed)
            .then_some("a list with `effect = \"no-ban\"` in [ban] names the client")
    }

    fn without_bans(&self) -> Option<Arc<WithoutBans>> {
        self.lock_without_bans().clone()
    }

    fn lock_without_bans(&self) -> MutexGuard<'_, Option<Arc<WithoutBans>>> {
        let without_bans = self.without_bans.lock();
        without_bans.unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a client claims to be a crawler.
    pub(super) fn record_crawler_agent(&self, client: &ClientIp, crawler: &Arc<Crawler>) {
        self.crawlers.record_agent(client, crawler);
    }

    /// Returns the next address to verify, of a client that claims to be a crawler and would have been banned; `None`
    /// if none is due, or if [`BanArbiter::LOOKUPS_PER_SECOND`] began in this second.
    ///
    /// # Cost
    ///
    /// One lock, and a pass over at most [`BanArbiter::MAX_PENDING`] clients.
    pub fn next_crawler_lookup(&self, now: Now) -> Option<CrawlerLookup> {
        self.crawlers.next_lookup(now)
    }

    /// Records the finding of a lookup. If it refutes the claim, the client is banned for the offense that was kept;
    /// returns what became of it. The finding is dropped if other crawlers were configured in the meantime.
    pub fn record_crawler(
        &self,
        lookup: &CrawlerLookup,
        finding: CrawlerFinding,
        now: Now,
    ) -> Option<(ClientIp, Offense, BanOutcome)> {
        let (client, offense) = self.crawlers.record(lookup, finding, now)?;
        let outcome = match self.exemption(&client, now) {
            Some(why) => BanOutcome::Withheld(why),
            None => self.ban(&client, &offense, now),
        };
        Some((client, offense, outcome))
    }

    /// Updates the standing of a client at the end of an exchange.
    pub fn record(&self, state: &RequestState, outcome: &Outcome<'_>) {
        if state.client().exempt_from_bans().is_some() || state.is_counted() {
            return;
        }
        let (client, now) = (state.client(), state.now());
        self.budget.count_client(client.key(), now);
        let matched_a_rule = outcome.denial.is_some() || !state.observed().is_empty();
        if matched_a_rule || state.is_suspicious() {
            return;
        }
        if self.standings.record(state, outcome) {
            self.neighbors.record_good(client, standing::period(now));
        }
    }

    /// Exempts a client from denials and bans for a time, and lifts the bans that the exemption covers.
    /// Returns the networks whose bans were lifted.
    pub fn allow(&self, record: &AllowRecord, origin: UpdateOrigin, now: Now) -> Vec<IpNet> {
        self.allows.add(record, origin, now);
        let covers = |banned: &IpNet| record.network.contains(banned);
        self.table.unban_where(covers, origin)
    }

    /// Adds a ban by another instance, if the ban budget admits it.
    ///
    /// The budget bounds how many bans rules place in a time: it admits any number of bans by an operator, and of
    /// those that began before the ten minutes that it counts, so that a new instance takes over all of them.
    ///
    /// The caller checks first that the client may be banned at all ([`ClientIp::exempt_from_bans`]).
    pub fn add_from_peer(&self, client: &ClientIp, record: &BanRecord, now: Now) -> BanOutcome {
        if let Some(why) = self.exemption(client, now) {
            return BanOutcome::Withheld(why);
        }
        let is_new = self.table.active(client, now).is_none();
        let age = now.wall().duration_since(record.since).unwrap_or_default();
        let counts = record.offenses > 0 && age < SPAN;
        if is_new
            && counts
            && let Err(outcome) = self.take_budget(client, true, now)
        {
            return outcome;
        }
        self.escalation.restore(&OffenseHistory {
            network: record.network,
            offenses: record.offenses,
            last: record.until,
        });
        self.table.add(record, UpdateOrigin::Peer, now)
    }

    /// Erases what is known of a client: its ban, its exemption, its offenses, suspicion and standing.
    pub fn forget(&self, network: IpNet, origin: UpdateOrigin) {
        self.table.unban(network, origin);
        self.allows.remove(network, origin);
        self.escalation.forget(network);
        self.suspects.forget(network.into());
        self.standings.forget(network.into());
        self.crawlers.forget(network.into());
        let update = BanUpdate::Forgotten(network);
        let listeners = self.table.listeners();
        listeners.notify(|listener| listener.on_ban_update(&update, origin));
    }

    /// Returns all bans, exemptions and offenses.
    pub fn snapshot(&self, now: Now) -> BanSnapshot {
        BanSnapshot {
            bans: self.table.records(now),
            allows: self.allows.records(now),
            offenses: self.escalation.list(now),
        }
    }

    /// Takes over the bans, exemptions and offenses of a store, in bulk and beyond the ban budget. Returns the
    /// number of bans that are in force.
    pub fn restore(&self, snapshot: &BanSnapshot, now: Now) -> usize {
        for history in &snapshot.offenses {
            self.escalation.restore(history);
        }
        for allow in &snapshot.allows {
            self.allows.add(allow, UpdateOrigin::Store, now);
        }
        let add = |ban| self.table.add(ban, UpdateOrigin::Store, now);
        let placed = |outcome: &BanOutcome| matches!(outcome, BanOutcome::Banned(_));
        snapshot.bans.iter().map(add).filter(placed).count()
    }

    /// Returns the number of offenses of a client that lengthen its next ban.
    pub fn offenses(&self, network: IpNet, now: Now) -> u32 {
        self.escalation.offenses(network, now)
    }

    /// Drops the bans and exemptions that have ended, which only take memory.
    pub fn remove_expired(&self, now: Now) {
        self.table.remove_expired(now);
        self.allows.remove_expired(now);
    }

    /// Takes a ban of `client` from the ban budget.
    fn take_budget(&self, client: &ClientIp, is_certain: bool, now: Now) -> Result<(), BanOutcome> {
        let claim = Claim {
            client: client.network(),
            is_certain,
            is_served: self.standings.is_served(client.into(), now),
        };
        self.budget.take(claim, now).map_err(|reason| match reason {
            Some(reason) => BanOutcome::Withheld(reason),
            None => BanOutcome::OverBudget,
        })
    }

    fn ban(&self, client: &ClientIp, offense: &Offense, now: Now) -> BanOutcome {
        if self.table.active(client, now).is_some() {
            return self.table.record_offense(client, offense, now);
        }
        if let Some(why) = self.crawlers.withhold(client, offense, now) {
            return BanOutcome::Withheld(why);
        }
        let is_certain = offense.attribution == Attribution::Certain;
        if let Err(outcome) = self.take_budget(client, is_certain, now) {
            return outcome;
        }
        let Sentence { ban_for, offenses } = self.escalation.count(client, offense.ban_for, now);
        let record = BanRecord {
            network: client.network(),
            by: offense.rule.clone(),
            reason: offense.reason.clone(),
            since: now.wall(),
            until: now.wall_after(ban_for),
            offenses,
        };
        match self.table.insert(&record, ban_for, UpdateOrigin::Rule, now) {
            BanOutcome::Banned(placement) if is_certain => {
                let surrounding = self.ban_surrounding(client, &record, ban_for, now);
                BanOutcome::Banned(placement.with_surrounding(surrounding))
            }
            outcome => outcome,
        }
    }

    /// Bans the network around a banned client, if enough of its clients are banned.
    fn ban_surrounding(
        &self,
        client: &ClientIp,
        record: &BanRecord,
        ban_for: Duration,
        now: Now,
    ) -> Option<(IpNet, Mode)> {
        let (network, mode) = self.neighbors.count(client, now, standing::period(now))?;
        let lists = self.without_bans();
        if lists.is_some_and(|lists| lists.touches(network)) || self.crawlers.touches(network, now)
        {
            return None;
        }
        if mode == Mode::Enforce {
            let record = BanRecord {
                network,
                ..record.clone()
            };
            self.table.insert(&record, ban_for, UpdateOrigin::Rule, now);
        }
        Some((network, mode))
    }
}

impl OffenseRecorder for BanArbiter {
    fn record_offense(&self, client: &ClientIp, offense: &Offense, now: Now) -> BanOutcome {
        if let Some(why) = self.exemption(client, now) {
            return BanOutcome::Withheld(why);
        }
        match offense.attribution {
            Attribution::Certain => self.ban(client, offense, now),
            Attribution::CrossSite => {
                BanOutcome::Withheld("a page of another origin caused the request")
            }
            Attribution::Forgeable { .. } if self.standings.is_good(client, now) => {
                BanOutcome::Withheld(
                    "the client is in good standing, and a page could have caused the request",
                )
            }
            Attribution::Forgeable { path } => match self.suspects.add(client.into(), path, now) {
                Self::PATHS.. => self.ban(client, offense, now),
                paths => BanOutcome::Suspected {
                    paths: u32::try_from(paths).unwrap_or(u32::MAX),
                    needed: u32::try_from(Self::PATHS).unwrap_or(u32::MAX),
                },
            },
        }
    }
}

impl fmt::Debug for BanArbiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BanArbiter")
            .field("table", &self.table)
            .field("suspects", &self.suspects.len())
            .field("standing", &self.standings.len())
            .finish_non_exhaustive()
    }
}
