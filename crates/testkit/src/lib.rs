//! What gabion's tests share: requests, a manual clock, a recorder of events, vectors, and the
//! rules for skipping.
//!
//! A test that needs data or a program that is not here says so and is skipped, unless
//! `GABION_REQUIRE_SERVERS` is set, as it is in CI: then a missing program fails it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on should say so and stop"
)]

#[cfg(feature = "servers")]
mod backend;
mod clock;
#[cfg(feature = "laws")]
pub mod laws;
mod recorder;
mod request;
mod skip;
mod vectors;
#[cfg(feature = "servers")]
mod wire;
#[cfg(feature = "servers")]
mod wire2;

#[cfg(feature = "servers")]
pub use backend::{Backend, Seen};
pub use clock::ManualClock;
pub use recorder::Recorder;
pub use request::{OwnedHead, client_at, peer};
pub use skip::{installed, program, shared};
pub use vectors::{rows, unescape};
#[cfg(feature = "servers")]
pub use wire::{Answer, Wire};
#[cfg(feature = "servers")]
pub use wire2::{Fate2, Wire2};
