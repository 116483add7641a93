//! The head of a request.

use http::{HeaderMap, Method, Uri, Version};

use crate::{Framing, Scheme};

/// The head of a request, borrowed from the server's own types. Input of
/// [`Facts::resolve`](crate::Facts::resolve).
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "built by every adapter, and by tests"
)]
pub struct Head<'r> {
    /// The method.
    pub method: &'r Method,
    /// The target as the client sent it, before any router removed a prefix.
    pub uri: &'r Uri,
    /// The protocol version.
    pub version: Version,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The `:protocol` of an extended CONNECT (RFC 8441).
    pub protocol: Option<&'r str>,
    /// Message framing that the headers no longer show.
    pub framing: Framing,
    /// The scheme of the peer's connection.
    pub scheme: Scheme,
}
