//! Counts of limits, exchanged with other instances.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use gabion_core::{LimitCount, LimitCounts};

use super::{Guard, Inner};

impl Guard {
    /// The counters of limits, for an exchange with other instances. Held weakly.
    pub fn limit_counts(&self) -> Weak<dyn LimitCounts> {
        let inner: Weak<Inner> = Arc::downgrade(&self.0);
        inner
    }
}

impl LimitCounts for Inner {
    fn secret(&self) -> Option<[u64; 2]> {
        self.limits.secret()
    }

    fn share_by(&self, secret: [u64; 2]) {
        self.limits.share_by(secret);
    }

    fn take_counts(&self, counts: &mut Vec<LimitCount>) {
        self.limits.take_counts(counts);
    }

    fn add_counts(&self, counts: &[LimitCount], age: Duration) -> usize {
        let now = self.bans.clock().now().mono();
        let since = now.saturating_sub(age);
        self.limits.add_counts(counts, since, now)
    }

    fn uncounted(&self) -> u64 {
        self.limits.uncounted()
    }
}
