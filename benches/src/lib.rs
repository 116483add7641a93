//! gabion measured beside the bare service and its peers: see `README.md`, `benches/`, `sockets/` and
//! `proxy/`.

pub mod reference;
