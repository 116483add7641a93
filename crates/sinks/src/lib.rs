//! Destinations for gabion events.
//!
//! [`Tracing`] sends each event to `tracing`, with bytes from clients escaped. [`Bounded`] wraps
//! any sink and limits the number of events, so that an attack cannot fill the disk: events above
//! its rate per client and second are counted and reported in one event. [`Channel`] sends events
//! to another thread. [`EventRing`] keeps the last events in memory. Any other destination is an implementation of
//! [`Sink`](gabion_core::Sink), about ten lines.
//!
//! With the feature `logs`, `EventLog` and `AccessLog` write events and requests as lines (`Ecs`, `Combined`) to a
//! file or a stream (`LineLog`), with rotation, and with client addresses or `Pseudonyms`. With the feature `metrics`,
//! `Metrics` counts events and requests.
//!
//! # Dependencies
//!
//! - `tracing`, the logging facade that tower servers use.
//! - `metrics` (feature `metrics`), the facade that exporters for Prometheus and others implement. It
//!   adds `rapidhash` and nothing else.
//!
//! With the feature `logs`:
//!
//! - `flate2` compresses log files, with the `miniz_oxide` that `gabion-frames` depends on.
//! - Rotation has no crate. `file-rotate` and `logroller` rotate by size or by time, not by both; `file-rotate`
//!   ignores a file that it cannot open, so that its lines are lost without an error. `rolling-file` does both, and
//!   does not compress. `tracing-appender` has a queue that is not bounded in bytes, and does not compress. All but the
//!   last depend on `chrono`.
//! - `hmac` and `sha2` make pseudonyms.
//! - `humantime` writes dates in UTC, `itoa` numbers, and `memchr` counts lines; other crates of the workspace depend on them already.
//! - JSON has no crate: a line is text between quotes, written without a value in between. `serde_json` parses it in
//!   tests.

mod bounded;
mod channel;
mod clock;
#[cfg(feature = "logs")]
mod combined;
#[cfg(feature = "logs")]
mod ecs;
mod event_ring;
#[cfg(feature = "logs")]
mod file;
#[cfg(feature = "logs")]
mod host;
#[cfg(feature = "logs")]
mod line_sinks;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "logs")]
mod pseudonym;
mod to_tracing;

#[cfg(feature = "metrics")]
pub use self::metrics::{MetricDescription, MetricKind, Metrics};
pub use bounded::{Bounded, EventBudget};
pub use channel::Channel;
#[cfg(feature = "logs")]
pub use combined::Combined;
#[cfg(feature = "logs")]
pub use ecs::Ecs;
pub use event_ring::EventRing;
#[cfg(feature = "logs")]
pub use file::{LineLog, LogTarget, OnLogEvent, Rotation};
#[cfg(feature = "logs")]
pub use line_sinks::{AccessFormat, AccessLog, EventLog};
#[cfg(feature = "logs")]
pub use pseudonym::{Pseudonym, Pseudonyms, ShortKey};
pub use to_tracing::Tracing;
