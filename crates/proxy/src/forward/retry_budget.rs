//! The number of retries that are allowed.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::time::{Duration, Instant};

use crate::RetryBudget;

/// Counts requests and retries over [`Self::WINDOW`].
///
/// A request costs one addition. Time is read only for a retry.
#[derive(Debug)]
pub(super) struct RetryCounter {
    budget: RetryBudget,
    /// Requests since the window began.
    requests: AtomicU64,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    /// The requests of a window as long as this one, by the rate before it.
    earlier: u64,
    retries: u64,
}

// === impl RetryCounter ===

impl RetryCounter {
    const WINDOW: Duration = Duration::from_secs(10);

    pub(super) fn new(budget: RetryBudget) -> Self {
        Self {
            budget,
            requests: AtomicU64::new(0),
            window: Mutex::new(Window {
                began: Instant::now(),
                earlier: 0,
                retries: 0,
            }),
        }
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Counts a retry; `false` if the budget is used up.
    pub(super) fn take(&self) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = window.began.elapsed();
        if elapsed >= Self::WINDOW {
            let windows = elapsed.as_secs() / Self::WINDOW.as_secs();
            window.earlier = self.requests.swap(0, Relaxed) / windows;
            window.began = Instant::now();
            window.retries = 0;
        }
        let requests = window.earlier.max(self.requests.load(Relaxed));
        let share = requests * u64::from(self.budget.percent()) / 100;
        let floor = u64::from(self.budget.per_second()) * Self::WINDOW.as_secs();
        let is_left = window.retries < share + floor;
        window.retries += u64::from(is_left);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(budget: &RetryCounter, attempts: usize) -> usize {
        (0..attempts).filter(|_| budget.take()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_a_share_of_the_requests_and_a_floor() {
        let budget = RetryBudget::default().with_percent(20).with_per_second(1);
        let counter = RetryCounter::new(budget);
        assert_eq!(count(&counter, 100), 10, "1 per second for 10 seconds");
        for _ in 0..1000 {
            counter.count_request();
        }
        assert_eq!(count(&counter, 1000), 200);
        // The next window goes by the rate of the last one.
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(count(&counter, 1000), 10 + 100);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(count(&counter, 1000), 10);
        let none = RetryCounter::new(budget.with_percent(0).with_per_second(0));
        none.count_request();
        assert!(!none.take());
    }
}
