//! The upgrade room: keeps a hand on WebSockets from their handshake to their end.
//!
//! A handshake that passes gets a seat among the [`Sessions`], and the service is given a stream
//! through which what it sends and is sent passes as it came. From outside the session can be ended:
//! its client gets a close frame where one frame ends and before the next begins, or none where that
//! does not come within a second; the service sees the stream end.
//!
//! What the client sends is held to the [`SessionLimits`](gabion_core::SessionLimits) of its route: budgets, and rules
//! about messages. Where a rule acts, a message waits, as it came, until it is judged; control frames
//! between its fragments overtake it. A client that is silent is pinged, between two frames of the
//! service's, and the service hears nothing of the answer. One that answers no pings, or takes nothing of
//! what the service has for it, is cut.
//!
//! Where messages are read, the handshake offers the service no extension whose bits could not be: none,
//! or permessage-deflate alone where messages are inflated.
//!
//! How a layer comes to stand inside the stream: hyper leaves an `OnUpgrade` in the request, which
//! nobody else can make. So a small HTTP/1.1 connection of hyper's own is served over an IO of ours
//! that plays a canned upgrade request and swallows the answer. The `OnUpgrade` of that request
//! yields our IO, which from then on is the real stream. It is done within the call: no task is
//! spawned, then or later. Work is done by whoever polls the stream.
//!
//! An answer that is a stream of events has a seat too, and is ended likewise: its body ends.
//!
//! # Limits
//!
//! The service's `OnUpgrade` is ready before its answer is sent; what it reads and writes until then
//! waits. Where the upgrade fails, the first of these says so.
//!
//! A service that neither reads nor writes is cut off when it next does; until then no byte passes
//! either way. One that reads, as all do that want to see a client leave, is cut off at once. Likewise
//! pings are sent while the service reads or writes, and only where there is a timer: whoever keeps house
//! ends sessions, and pings nobody.
//!
//! Whether a client takes what the service has for it is seen as the system tells of room in its buffer:
//! Linux once a third of it is free, which is a megabyte where the connection was fast before.
//!
//! A limit that only observes and finds something reads no further in that session. Where a rule about
//! messages acts, nothing may hide behind that: what breaks the protocol or the size of a message ends
//! the session then, whatever the mode of the limits, and their rates are not watched where they only
//! observe.
//!
//! Budgets of a client over all its sockets last as long as one of them is open: who closes all begins
//! anew, with a handshake.
//!
//! A handshake without an `OnUpgrade`, by a server that is not hyper, gets no seat.

mod client_buckets;
mod closing;
mod diagnosis;
mod enforcer;
mod event_stream;
mod idle_timeouts;
mod incoming;
mod install;
mod outgoing;
mod session;
mod session_io;
mod session_timer;
mod sessions;
mod tap;
#[cfg(test)]
mod tests;
mod timers;

pub use enforcer::SessionEnforcer;
pub(crate) use event_stream::EventStream;
pub(crate) use install::install;
pub(crate) use session::{Session, SessionPermit};
pub use sessions::Sessions;
