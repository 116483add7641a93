//! The admin API over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step must end the test"
)]

mod access;
mod changes;
mod check;
mod import;
mod metrics;
mod socket;
mod support;
