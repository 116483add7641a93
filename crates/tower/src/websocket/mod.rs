//! Supervision of WebSockets and event streams, from the handshake to the end.
//!
//! A handshake that passes gets a permit in the table of [`Sessions`](crate::Sessions), and the service gets a
//! stream that passes bytes in both directions unchanged. The engine can close the session: the client gets a close frame at the next frame boundary of the service, or none if
//! there is no boundary within a second; the service reads the end of the stream.
//!
//! The [`SessionLimits`](gabion_core::SessionLimits) of the route limit the traffic of the client:
//! rates, sizes, and rules about messages. If a rule about messages is enforced, a message is held
//! unchanged until it is judged; control frames between its fragments are forwarded first. An idle
//! client is pinged between two frames of the service, and the service does not receive the pong. A
//! client that answers no ping, or reads no bytes that the service sends, is
//! disconnected without a close frame.
//!
//! If messages are inspected, the handshake offers the service no extension that makes frames
//! unreadable: none, or only permessage-deflate if messages are inflated.
//!
//! The tap is installed in hyper's upgrade mechanism. hyper leaves an `OnUpgrade` in the request,
//! and only hyper can create one. So a small internal HTTP/1.1 connection is served by hyper over
//! an IO type that supplies a fixed upgrade request and discards the response. The `OnUpgrade` of
//! that request yields this IO type, which from then on forwards to the real stream. All of this
//! happens within the call: no task is spawned, then or later. Work is done when the service polls
//! the stream.
//!
//! A response that is a stream of events gets a permit too. When its session is closed, its body
//! ends.
//!
//! # Limits
//!
//! - The service's `OnUpgrade` is ready before its response is sent; reads and writes wait until
//!   then. If the upgrade fails, the first read or write returns the error.
//! - A service that neither reads nor writes is cut off at its next read or write; until then no
//!   byte passes in either direction. A service that reads, as every service does that detects
//!   disconnects, is cut off at once. Likewise pings are sent while the service reads or writes,
//!   and only if there is a timer: [`Sessions::maintain`](crate::Sessions::maintain) closes sessions but sends no pings.
//! - A client that does not read is detected by the free space that the operating system reports
//!   for the send buffer. Linux reports it once a third of the buffer is free, which is a megabyte
//!   on a connection that was fast before.
//! - After a violation of a limit in observe mode, the session is not inspected any further. If a
//!   rule about messages is enforced, a client could use this to bypass the rule. Therefore a
//!   protocol violation or an oversized message then closes the session, whatever the mode of the
//!   limits, and rates in observe mode are not checked.
//! - The token buckets of a client over all its WebSockets last while one of them is open. A client
//!   that closes all gets full buckets, at the cost of a handshake.
//! - A handshake without an `OnUpgrade`, from a server other than hyper, is not supervised.

mod diagnosis;
mod enforcement;
mod event_stream;
mod incoming;
mod install;
mod outgoing;
mod permit;
mod session_io;
mod session_timer;
mod tap;
#[cfg(test)]
mod tests;
mod timers;

pub(crate) use event_stream::EventStream;
pub(crate) use install::install;
pub(crate) use permit::SessionPermit;
