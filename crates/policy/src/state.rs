//! What outlives a policy.

use std::sync::Arc;

use gabion_inspect::BanTable;

/// What a guard learns while it runs: made once, shared by every policy that it is given.
#[derive(Clone, Debug)]
pub struct State {
    bans: Arc<BanTable>,
}

impl State {
    /// How many timed bans are kept unless another capacity is asked for.
    pub const BANS: usize = 100_000;

    /// A state that keeps at most `capacity` timed bans.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            bans: Arc::new(BanTable::new(capacity)),
        }
    }

    /// The timed bans.
    pub const fn bans(&self) -> &Arc<BanTable> {
        &self.bans
    }
}

impl Default for State {
    fn default() -> Self {
        Self::with_capacity(Self::BANS)
    }
}
