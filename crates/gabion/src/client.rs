//! Clients: the address that a request is attributed to, and how it is found.

#[cfg(feature = "axum")]
pub use gabion_core::MissingClientIp;
pub use gabion_core::{
    Claim, ClaimSet, ClientDerivation, ClientHop, ClientIp, ClientRules, ForwardedHeader, HopRole,
    PeerAddr, Protected, Scheme, TooWide,
};
pub use gabion_tower::{Connection, ConnectionSource, ExtensionsSource};

pub use crate::connection::AutoSource;
