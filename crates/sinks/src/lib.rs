//! Where the events of gabion go.
//!
//! [`Tracing`] hands each event to `tracing`, with what a stranger sent escaped. [`Bounded`]
//! stands before any sink and keeps an attack from filling the disk: what exceeds its budget per
//! client and second is counted and told in one event.
//!
//! # Dependencies
//!
//! `tracing`, the logging facade that servers on tower use.

mod bounded;
mod to_tracing;

pub use bounded::{Bounded, Budget};
pub use to_tracing::Tracing;
