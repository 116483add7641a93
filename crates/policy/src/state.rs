//! What outlives a policy.

use std::sync::Arc;

use gabion_inspect::{BanArbiter, BanTable, KnownWebSocketPaths, LimitTable, Scores};

/// What a guard learns while it runs: made once, shared by every policy that it is given.
#[derive(Clone, Debug)]
pub struct State {
    bans: Arc<BanTable>,
    arbiter: Arc<BanArbiter>,
    scores: Arc<Scores>,
    limits: Arc<LimitTable>,
    opened: Arc<KnownWebSocketPaths>,
}

impl State {
    /// How many timed bans are kept unless another capacity is asked for.
    pub const BANS: usize = 100_000;

    /// A state that keeps at most `capacity` timed bans, and remembers twice as many clients.
    pub fn with_capacity(capacity: usize) -> Self {
        let clients = capacity.saturating_mul(2);
        let bans = Arc::new(BanTable::new(capacity));
        Self {
            arbiter: Arc::new(BanArbiter::new(Arc::clone(&bans), clients)),
            scores: Arc::new(Scores::new(clients)),
            limits: Arc::new(LimitTable::new(clients)),
            opened: Arc::default(),
            bans,
        }
    }

    /// Keeps what is left of limits in `limits`.
    pub fn with_limits(self, limits: LimitTable) -> Self {
        let limits = Arc::new(limits);
        Self { limits, ..self }
    }

    /// The timed bans.
    pub const fn bans(&self) -> &Arc<BanTable> {
        &self.bans
    }

    /// Who judges what counts toward a ban: suspects, those in good standing, the budget.
    pub const fn arbiter(&self) -> &Arc<BanArbiter> {
        &self.arbiter
    }

    /// The scores of clients.
    pub const fn scores(&self) -> &Arc<Scores> {
        &self.scores
    }

    /// Where WebSockets were opened.
    pub const fn opened(&self) -> &Arc<KnownWebSocketPaths> {
        &self.opened
    }

    /// What is left of limits.
    pub const fn limits(&self) -> &Arc<LimitTable> {
        &self.limits
    }
}

impl Default for State {
    fn default() -> Self {
        Self::with_capacity(Self::BANS)
    }
}
