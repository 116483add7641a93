//! Shared code of the benches, which measure gabion beside the bare service and its peers.
//!
//! `README.md` lists each bench with its command and its results. The benches are in `benches/`,
//! `instructions/`, `proxy/`, `messages/`, `sockets/`, `ban/`, `fleet/`, `hostile/` and `soak/`.

pub mod callgrind;
mod chart;
mod comparison;
pub mod networks;
mod order;
mod policy_files;
pub mod process;
pub mod reference;
pub mod requests;
mod rng;
pub mod rules;
mod temp_dir;
pub mod websocket;

pub use chart::Chart;
pub use comparison::{Comparison, Timing};
pub use order::Order;
pub use policy_files::PolicyFiles;
pub use rng::Rng;
pub use temp_dir::TempDir;

/// Returns `true` if the bench runs as a smoke test (`-- --test`), with few repetitions.
pub fn is_test() -> bool {
    std::env::args().any(|arg| arg == "--test")
}
