//! The clock of log files, and of events that have no time of their own.

use std::time::SystemTime;

#[expect(
    clippy::disallowed_methods,
    reason = "files rotate by the wall clock; events of requests carry their time"
)]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}
