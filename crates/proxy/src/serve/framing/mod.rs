//! Detection of HTTP/1 heads that state their body's length twice, and the first line of a refused head.
//!
//! hyper removes `Content-Length` if `Transfer-Encoding` is present, so that a service cannot see
//! such a head, which smuggles requests past hops that use the other header (RFC 9112, 6.1 and
//! 11.2). The bytes are therefore scanned on their way to hyper: [`TrackedSocket`] passes what it
//! reads to the [`FramingTracker`], which finds each head and pushes its framing to the
//! [`FramingQueue`], where the service takes it, one entry per request.
//!
//! The [`RequestLine`] of the latest head is kept for the event about a head that hyper refuses.
//!
//! The tracker changes no byte and rejects none. It must agree with hyper only on input that hyper
//! accepts: anything else ends the connection. A request without an entry has the framing
//! [`Framing::Unknown`](gabion_core::Framing::Unknown).

mod queue;
mod request_line;
mod socket;
#[cfg(test)]
mod tests;
mod tracker;

pub(super) use queue::FramingQueue;
use request_line::RequestLine;
pub(super) use socket::TrackedSocket;
use tracker::FramingTracker;
