//! The case of header names on the wire.

/// The case in which header names are written to an HTTP/1 peer.
///
/// Header names are case-insensitive (RFC 9110, 5.1), and HTTP/2 has lower case only. Some old
/// programs compare them as bytes. Set it for both sides of a proxy:
/// [`ServeOptions::with_header_case`](crate::ServeOptions::with_header_case) for responses and
/// [`ProxyOptions::with_header_case`](crate::ProxyOptions::with_header_case) for requests, each with
/// the names that the other side received.
///
/// # Cost
///
/// [`Self::AsReceived`] allocates a second map of the names of each message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderCase {
    /// Lower case.
    #[default]
    Lower,
    /// As received. Headers that the proxy adds are in lower case.
    AsReceived,
}

// === impl HeaderCase ===

impl HeaderCase {
    pub(crate) fn is_kept(self) -> bool {
        self == Self::AsReceived
    }
}
