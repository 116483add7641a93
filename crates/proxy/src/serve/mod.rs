//! The accept loop, and one such loop for each core.
//!
//! What is served must be `Send`, though each worker has a runtime of one thread: a connection that
//! is upgraded must be, and a loop that needs no `LocalSet` runs on any runtime.
//!
//! The deadlines here are for heads, and for what comes before them. A body that stalls holds its
//! connection until the other side, or a keep-alive probe, ends it.

mod accept;
mod connection;
mod connections;
mod detect;
mod framing;
mod listen;
mod options;
mod upgrade;
mod workers;

pub use accept::{Drained, serve};
pub use connection::HttpService;
pub use connections::Connections;
pub(crate) use listen::KEEP_ALIVE_PROBES;
pub use listen::listen;
pub use options::{Protocols, ServeOptions};
pub use workers::{Workers, workers};
