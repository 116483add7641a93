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
#[cfg(unix)]
mod handover;
mod head_memory;
mod lifetime;
mod listen;
mod options;
mod proxy_header;
mod refusal;
mod renewal;
mod service;
mod stall;
mod upgrade;
mod worker_service;
mod workers;
mod wrapped;

pub use accept::{Drained, serve};
pub use connections::Connections;
#[cfg(unix)]
pub use handover::{Handover, Predecessor, take_over};
pub use listen::listen;
pub use options::{Protocols, ProxyProtocol, ServeOptions};
pub use renewal::{Renewal, RenewalError};
pub use service::HttpService;
pub use workers::{Listener, Workers, workers, workers_on};
