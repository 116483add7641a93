//! gabion measured beside the bare service and its peers: see `README.md`, `benches/`, `sockets/` and
//! `proxy/`.

mod numbers;
mod race;
pub mod reference;

pub use numbers::Numbers;
pub use race::{Finish, Race};

/// Whether a bench only has to show that it works (`-- --test`).
pub fn is_test() -> bool {
    std::env::args().any(|arg| arg == "--test")
}
