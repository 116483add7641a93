//! The accept loop, and one such loop per core.
//!
//! A service must be `Send` even though each worker has a single-threaded runtime: an upgraded
//! connection requires it, and a loop without a `LocalSet` runs on any runtime.
//!
//! The deadlines here apply to request heads, to protocol detection, and to clients that take no bytes of
//! their response; those of uploads are the proxy's.

mod accept;
mod activity;
mod connection;
mod connections;
mod control_frames;
mod detect;
mod framing;
mod head_memory;
mod listen;
mod options;
mod refusal;
mod stall;
mod upgrade;
mod workers;

pub use accept::{Drained, serve};
pub use connection::HttpService;
pub use connections::Connections;
pub use listen::listen;
pub use options::{Protocols, ServeOptions};
pub use workers::{Workers, workers};
