//! gabion measured beside the bare service: see `benches/`.
