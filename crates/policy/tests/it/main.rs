//! Integration tests of the policy compiler and its hot reload, one module per subject.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test helpers"
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
