//! State that outlives a policy.

use std::sync::Arc;

use crate::{
    BanArbiter, BanSettings, BanTable, KnownWebSocketPaths, LimitTable, Scores, TableUsage,
};

/// The tables that inspectors write while they run: timed bans, offenses and standing, limits, scores,
/// WebSocket paths. Made once and shared by every policy that is compiled with it
/// ([`Context::new`](crate::Context::new)); clones share the tables.
///
/// # Capacity
///
/// Every table is bounded. See [`BanTable`], [`BanArbiter`], [`LimitTable`] and [`Scores`] for the size of
/// an entry and for the entry that a full table drops.
///
/// # Examples
///
/// ```
/// use gabion_inspect::{LimitTable, State};
///
/// let state = State::with_capacity(1_000).with_limits(LimitTable::new(50_000));
/// assert_eq!(state.bans().capacity(), 1_000);
/// assert!(state.bans().is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct State {
    arbiter: Arc<BanArbiter>,
    /// Whether the policy of this state decides about the settings of `arbiter`.
    configures_bans: bool,
    scores: Arc<Scores>,
    limits: Arc<LimitTable>,
    websocket_paths: Arc<KnownWebSocketPaths>,
}

impl State {
    /// The default number of timed bans.
    pub const BANS: usize = 100_000;

    /// Creates tables for at most `capacity` timed bans, and for twice as many clients.
    pub fn with_capacity(capacity: usize) -> Self {
        let clients = capacity.saturating_mul(2);
        let bans = Arc::new(BanTable::new(capacity));
        Self {
            arbiter: Arc::new(BanArbiter::new(bans, clients)),
            configures_bans: true,
            scores: Arc::new(Scores::new(clients)),
            limits: Arc::new(LimitTable::new(clients)),
            websocket_paths: Arc::default(),
        }
    }

    /// Creates the smallest tables: one ban, and limits that count nothing. For judging sample requests.
    pub fn scratch() -> Self {
        Self::with_capacity(1).with_limits(LimitTable::blank())
    }

    /// Counts limits in `limits`.
    pub fn with_limits(self, limits: impl Into<Arc<LimitTable>>) -> Self {
        let limits = limits.into();
        Self { limits, ..self }
    }

    /// Keeps scores in `scores`.
    pub fn with_scores(self, scores: Arc<Scores>) -> Self {
        Self { scores, ..self }
    }

    /// Records offenses with `arbiter`, and looks up bans in its table.
    pub fn with_arbiter(self, arbiter: Arc<BanArbiter>) -> Self {
        Self { arbiter, ..self }
    }

    /// Shares the arbiter of `other`, whose policy keeps deciding about its settings
    /// ([`Self::configure_bans`]).
    pub fn with_bans_of(self, other: &Self) -> Self {
        Self {
            arbiter: Arc::clone(&other.arbiter),
            configures_bans: false,
            ..self
        }
    }

    /// Passes the settings of a policy to the arbiter ([`BanArbiter::configure`]). Ignored if the arbiter is that of
    /// another state ([`Self::with_bans_of`]).
    pub fn configure_bans(&self, settings: BanSettings) {
        if self.configures_bans {
            self.arbiter.configure(settings);
        }
    }

    /// The timed bans.
    pub fn bans(&self) -> &Arc<BanTable> {
        self.arbiter.table()
    }

    /// Decides which offenses become bans: keeps suspicious paths, standing and the ban budget.
    pub const fn arbiter(&self) -> &Arc<BanArbiter> {
        &self.arbiter
    }

    /// The scores of clients.
    pub const fn scores(&self) -> &Arc<Scores> {
        &self.scores
    }

    /// The paths on which WebSockets were opened.
    pub const fn websocket_paths(&self) -> &Arc<KnownWebSocketPaths> {
        &self.websocket_paths
    }

    /// The counters of limits.
    pub const fn limits(&self) -> &Arc<LimitTable> {
        &self.limits
    }

    /// Returns the use of each table whose entries are of clients.
    ///
    /// # Cost
    ///
    /// Reads every slot of the limits, about a millisecond. Not for the request path.
    pub fn tables(&self) -> Vec<TableUsage> {
        let mut tables = self.arbiter.tables();
        tables.extend([self.limits.usage(), self.scores.usage()]);
        tables
    }
}

impl Default for State {
    /// Tables for [`Self::BANS`] timed bans.
    fn default() -> Self {
        Self::with_capacity(Self::BANS)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use gabion_core::{BanOutcome, Now, Offense, OffenseRecorder as _, RuleId};

    use super::*;
    use crate::BanConfig;

    #[test]
    fn policy_of_a_state_with_the_bans_of_another_does_not_set_its_budget() {
        let main = State::with_capacity(10);
        let config = BanConfig {
            most_per_minute: 0,
            ..BanConfig::default()
        };
        main.configure_bans(BanSettings::new(&config, &[]).unwrap());
        let route = State::scratch().with_bans_of(&main);
        route.configure_bans(BanSettings::default());
        let client = gabion_testkit::client_at("203.0.113.9");
        let offense = Offense::certain(RuleId::builtin("trap"), Duration::from_mins(10));
        let now = Now::new(Duration::ZERO, UNIX_EPOCH);
        let outcome = route.arbiter().record_offense(&client, &offense, now);
        assert!(matches!(outcome, BanOutcome::Withheld(_)), "{outcome:?}");
    }
}
