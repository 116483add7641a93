//! Destinations for gabion events.
//!
//! [`Tracing`] sends each event to `tracing`, with bytes from clients escaped. [`Bounded`] wraps
//! any sink and limits the number of events, so that an attack cannot fill the disk: events above
//! its rate per client and second are counted and reported in one event. [`Channel`] sends events
//! to another thread. With the feature `metrics`, `Metrics` counts events and requests. Any other destination is an implementation of [`Sink`](gabion_core::Sink),
//! about ten lines.
//!
//! # Dependencies
//!
//! - `tracing`, the logging facade that tower servers use.
//! - `metrics` (feature `metrics`), the facade that exporters for Prometheus and others implement. It
//!   adds `rapidhash` and nothing else.

mod bounded;
mod channel;
#[cfg(feature = "metrics")]
mod metrics;
mod to_tracing;

#[cfg(feature = "metrics")]
pub use self::metrics::{MetricDescription, MetricKind, Metrics};
pub use bounded::{Bounded, EventBudget};
pub use channel::Channel;
pub use to_tracing::Tracing;
