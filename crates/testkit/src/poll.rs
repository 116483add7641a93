//! Polling for a condition.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// Time limit of [`eventually`].
const LIMIT: Duration = Duration::from_secs(15);

/// Interval between two calls.
const INTERVAL: Duration = Duration::from_millis(5);

/// Calls `condition` every 5 ms until it returns a value; `None` after 15 seconds.
pub async fn eventually<T>(mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let polling = async {
        loop {
            if let Some(value) = condition() {
                return value;
            }
            sleep(INTERVAL).await;
        }
    };
    timeout(LIMIT, polling).await.ok()
}
