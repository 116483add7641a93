//! A time in which nothing is enforced.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gabion_core::{Mode, Now, Verdict};

/// Makes every layer that shares it observe for a while, whatever its policy says: for the night in
/// which a rule hits the wrong people and nobody knows yet which. Clones share it.
///
/// # Cost
///
/// An atomic load per denial.
#[derive(Clone, Debug, Default)]
pub struct ObserveOverride {
    /// Monotonic milliseconds at which it ends; in the past where there is none.
    ends_at: Arc<AtomicU64>,
}

impl ObserveOverride {
    /// Begins one, or lets it last from `now` for `period`. None at all ends it.
    pub fn start(&self, now: Now, period: Duration) {
        let ends_at = now.mono().saturating_add(period);
        self.ends_at.store(millis(ends_at), Ordering::Relaxed);
    }

    /// How long it still lasts; none where there is none.
    pub fn remaining(&self, now: Now) -> Duration {
        let ends_at = Duration::from_millis(self.ends_at.load(Ordering::Relaxed));
        ends_at.saturating_sub(now.mono())
    }

    /// The verdict as it counts now.
    pub(crate) fn apply(&self, verdict: Verdict, now: Now) -> Verdict {
        match verdict {
            Verdict::Deny(denial) if !self.remaining(now).is_zero() => {
                denial.with_mode(Mode::Observe).into()
            }
            verdict => verdict,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
