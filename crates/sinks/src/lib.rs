//! Where the events of gabion go.
//!
//! [`Tracing`] hands each event to `tracing`, with what a stranger sent escaped. [`Bounded`]
//! stands before any sink and keeps an attack from filling the disk: what exceeds its budget per
//! client and second is counted and told in one event. [`Channel`] hands them to a reader of one's
//! own. Anything else is a [`Sink`](gabion_core::Sink) of ten lines.
//!
//! # Dependencies
//!
//! `tracing`, the logging facade that servers on tower use.

mod bounded;
mod channel;
mod to_tracing;

pub use bounded::{Bounded, EventBudget};
pub use channel::Channel;
pub use to_tracing::Tracing;
