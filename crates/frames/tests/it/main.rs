//! Integration tests of the observer, one module per promise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot continue must fail at once"
)]

mod boundaries;
mod budgets;
mod footprint;
mod holding;
mod inflating;
mod laws;
mod memory;
mod negotiated;
mod vectors;
mod words;

use std::{sync::Arc, time::Duration};

use gabion_frames::{Kind, Limits, MessageDecoding, Negotiated, Observer, Role, Violation};

/// An observer of a server's frames, without extensions.
fn observer(limits: Limits, decoding: MessageDecoding) -> Observer {
    Observer::new(Role::Server, Arc::new(limits), Negotiated::NONE, decoding)
}

/// Watches all of `sent` at one time.
fn watch_at(observer: &mut Observer, mut sent: &[u8], at: Duration) -> Result<(), Violation> {
    while observer.watch(&mut sent, at)?.is_some() {}
    Ok(())
}

/// The kind of violation in `sent`, if any, at time zero.
fn violation(observer: &mut Observer, sent: &[u8]) -> Option<Kind> {
    let watched = watch_at(observer, sent, Duration::ZERO);
    watched.err().map(|violation| violation.kind())
}
