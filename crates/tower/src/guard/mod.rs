//! The head room: judges the head of each request and enforces the verdict.
//!
//! A request reaches the service when
//! 1. the server in front says who its peer is;
//! 2. no inspector panics, or the policy's `on_fault` lets such requests pass;
//! 3. the verdict is not an enforced denial.
//!
//! Every verdict but a pass becomes an event. After the exchange, denied or not, the inspectors
//! learn how it ended.
//!
//! An answer that is a stream of events is held on to: it ends where its client is banned, or its
//! path refused.
//!
//! A request that reaches it stays HTTP or becomes a WebSocket: what else it offers in `Upgrade`,
//! `h2c` among it, is taken off.
//!
//! Whatever the reply, a denial that ends says so in `Retry-After`, one of an upgrade closes the
//! connection, and one of a gRPC call is said as gRPC does. Limits that are shown stand in every
//! answer.

pub(crate) mod engine;
mod event_stream;
mod future;
mod grpc;
mod ids;
mod layer;
mod offer;
mod once_per_minute;
mod permit;
mod quota;
mod required_headers;
mod service;
mod target;

pub use future::ResponseFuture;
pub use layer::{GuardLayer, guard_layer};
pub use service::GuardService;
