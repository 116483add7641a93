//! gabion measured beside the bare service and its peers: see `README.md`, `benches/`, `sockets/`,
//! `messages/`, `ban/` and `proxy/`.

pub mod asked;
mod curve;
mod folder;
mod numbers;
pub mod process;
mod race;
pub mod reference;
pub mod rules;
pub mod socket;
pub mod space;
mod written;

pub use curve::Chart;
pub use folder::Folder;
pub use numbers::Numbers;
pub use race::{Finish, Race};
pub use written::Written;

/// Whether a bench only has to show that it works (`-- --test`).
pub fn is_test() -> bool {
    std::env::args().any(|arg| arg == "--test")
}
