//! Destinations for gabion events.
//!
//! [`Tracing`] sends each event to `tracing`, with bytes from clients escaped. [`Bounded`] wraps
//! any sink and limits the number of events, so that an attack cannot fill the disk: events above
//! its rate per client and second are counted and reported in one event. [`Channel`] sends events
//! to another thread. Any other destination is an implementation of [`Sink`](gabion_core::Sink),
//! about ten lines.
//!
//! # Dependencies
//!
//! `tracing`, the logging facade that tower servers use.

mod bounded;
mod channel;
mod to_tracing;

pub use bounded::{Bounded, EventBudget};
pub use channel::Channel;
pub use to_tracing::Tracing;
