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
mod handle;
mod inventory;
mod laws;
mod limits;
mod list_check;
mod packs;
mod protocol;
mod scratch;
mod watch;
mod websocket;
