//! Open sessions: WebSockets and event streams, in a bounded table by client.

mod client_buckets;
mod idle_timeouts;
mod parser_limits;
mod state;
mod table;

pub(crate) use client_buckets::ClientBuckets;
pub(crate) use state::{Session, UNOFFERED_EXTENSION};
pub use table::Sessions;
