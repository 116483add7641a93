//! What a policy promises, one module per promise.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

mod chain;
mod errors;
mod expects;
mod files;
mod laws;
mod limits;
mod live;
mod packs;
mod sanity;
mod scratch;
mod sense;
mod shrink;
mod sockets;
mod watch;
