//! A limit on a request body of unknown length.

use std::fmt;

/// The largest number of bytes of a request body whose length is not announced.
///
/// A layer sees the head only, so it puts the limit that applies to the request into the request's
/// extensions ([`RequestState::limit_body`](crate::RequestState::limit_body)). The service that reads
/// the body enforces it: `gabion_proxy::Proxy` ends the request with 413.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyLimit(u64);

// === impl BodyLimit ===

impl BodyLimit {
    /// Creates a limit of `bytes`.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The limit in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for BodyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}
