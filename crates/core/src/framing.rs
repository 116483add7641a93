//! Message framing as received, before the server normalized the headers.

/// Conflicting body-length headers in the head as received.
///
/// A server may normalize headers before any layer sees them: hyper drops `Content-Length` if
/// `Transfer-Encoding` is present, which is how requests are smuggled past a proxy in front that
/// used `Content-Length` (RFC 9112, 6.1 and 11.2). A component that sees the raw head puts this
/// into the request's extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Framing {
    /// The headers show the framing as received.
    #[default]
    AsShown,
    /// The head as received had both `Content-Length` and `Transfer-Encoding`, whichever of them
    /// the server kept.
    Both,
    /// The component that observes the raw head lost synchronization, so the framing is not known.
    Unknown,
}
