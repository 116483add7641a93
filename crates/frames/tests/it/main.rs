//! What an observer of frames promises, a module per promise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should say so and stop"
)]

mod boundaries;
mod budgets;
mod footprint;
mod holding;
mod inflating;
mod laws;
mod negotiated;
mod vectors;
mod words;

use std::{sync::Arc, time::Duration};

use gabion_frames::{Depth, Kind, Limits, Negotiated, Observer, Role, Violation};

/// Of a server's frames, without extensions.
fn observer(limits: Limits, depth: Depth) -> Observer {
    Observer::new(Role::Server, Arc::new(limits), Negotiated::NONE, depth)
}

/// Watches it all at a time.
fn watch_at(observer: &mut Observer, mut sent: &[u8], at: Duration) -> Result<(), Violation> {
    while observer.watch(&mut sent, at)?.is_some() {}
    Ok(())
}

/// What is wrong with it, at the beginning of time.
fn violation(observer: &mut Observer, sent: &[u8]) -> Option<Kind> {
    let watched = watch_at(observer, sent, Duration::ZERO);
    watched.err().map(|violation| violation.kind())
}
