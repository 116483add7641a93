//! Promises of the store: what is acknowledged survives, what fails degrades to memory and recovers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "functions that tests share may panic"
)]

mod degrades_and_recovers;
mod events;
mod kill_loses_nothing;
mod overflow;
mod restart;
#[cfg(feature = "redis")]
mod shared;
mod support;
