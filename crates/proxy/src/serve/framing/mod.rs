//! Whether a head said twice how long its body is.
//!
//! hyper drops `Content-Length` where `Transfer-Encoding` stands beside it, so that nobody above can
//! tell such a head, which smuggles requests past hops that read the other one (RFC 9112, 6.1 and
//! 11.2). So the bytes are looked at on their way to hyper: the [`FramingTracker`] keeps step from head to
//! head, [`TrackedSocket`] shows it what is read, and the [`FramingQueue`] say it to the service, one for each
//! request.
//!
//! The follower changes no byte and judges none. It must agree with hyper only where hyper goes on:
//! what hyper refuses ends the connection. Where a request has no note, its framing is
//! [`Framing::Unknown`](gabion_core::Framing::Unknown).

mod queue;
mod socket;
#[cfg(test)]
mod tests;
mod tracker;

pub(super) use queue::FramingQueue;
pub(super) use socket::TrackedSocket;
use tracker::FramingTracker;
