//! The ways to choose an upstream.

/// The way to choose the upstream for a request among those that are neither ejected nor unhealthy, by their weights
/// ([`Upstream::with_weight`](crate::Upstream::with_weight)).
///
/// If all are ejected or unhealthy, all are used: an attempt shows their state at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Balance {
    /// Of two upstreams drawn at random, the one with fewer requests in progress (Mitzenmacher, "The power of
    /// two choices in randomized load balancing", 2001).
    #[default]
    LeastRequest,
    /// One after the other, by each worker.
    RoundRobin,
    /// The same upstream for all requests of a client ([`ClientIp`](gabion_core::ClientIp)), for WebSockets and
    /// sessions whose state is in one server. If that one is not available, the client moves to another, and back
    /// (rendezvous hashing; Thaler and Ravishankar, 1998). Equal in every process with the same URLs.
    Sticky,
}
