//! Whether the headers still say how long the body was said to be.

/// What a server knows of a request's framing beyond the headers it hands on.
///
/// A server may tidy up before anyone else looks: hyper drops `Content-Length` where
/// `Transfer-Encoding` stands beside it, which is how requests are smuggled past a hop in front that
/// kept the other one (RFC 9112, 6.1 and 11.2). Whoever sees the head as it came puts this into the
/// request's extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Framing {
    /// What the headers say.
    #[default]
    AsShown,
    /// The head as it came had `Content-Length` beside `Transfer-Encoding`, whatever the server
    /// kept of them.
    Both,
    /// What watches the head as it came lost its way, so that nobody can say.
    Unknown,
}
