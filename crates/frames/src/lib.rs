//! WebSocket frames, seen as they pass.
//!
//! An [`Observer`] is fed the bytes that one side of a WebSocket sends (RFC 6455), after the 101 or
//! its like, and says what they are: frames, whole messages, pings, closes. It only looks: whoever
//! owns the stream forwards the bytes as they came. What breaks the protocol or its [`Limits`] is a
//! [`Violation`] with the [`CloseCode`] to end the socket with; from then on the observer answers
//! nothing else, for it cannot know where the next frame begins.
//!
//! This crate does no IO, reads no clock and logs nothing: time is handed in as the duration since
//! some start, as `gabion_core::Now::mono` has it. With the feature `deflate` it depends on
//! `miniz_oxide`, safe Rust alone, to read messages compressed by permessage-deflate (RFC 7692): its
//! core inflates into one buffer behind the window, so that what refers to before it is an error.
//! Without the feature such messages can be watched, and are refused where they would have to be
//! read.
//!
//! # Examples
//!
//! Forwarding what passes, and holding each message back until it is judged:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use gabion_frames::{Depth, Limits, Negotiated, Observer, Role, Seen, Violation};
//!
//! fn forward(
//!     observer: &mut Observer,
//!     mut input: &[u8],
//!     now: Duration,
//!     held: &mut Vec<u8>,
//!     sent: &mut Vec<u8>,
//! ) -> Result<(), Violation> {
//!     while let Some(step) = observer.watch(&mut input, now)? {
//!         if step.hold {
//!             held.extend(step.bytes);
//!         } else {
//!             sent.extend(step.bytes);
//!         }
//!         if let Some(Seen::Message { payload, .. }) = step.seen {
//!             if !payload.starts_with(b"drop") {
//!                 sent.append(held);
//!             }
//!             held.clear();
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let limits = Arc::new(Limits::new());
//! let mut observer = Observer::new(Role::Server, limits, Negotiated::NONE, Depth::Messages);
//! let (mut held, mut sent) = (Vec::new(), Vec::new());
//! let input = b"\x81\x02hi\x81\x08drop\x20it!\x89\x00";
//! forward(&mut observer, input, Duration::ZERO, &mut held, &mut sent)?;
//! assert_eq!(sent, b"\x81\x02hi\x89\x00");
//! # Ok::<(), Violation>(())
//! ```

#![warn(clippy::indexing_slicing)]

mod close;
mod control;
pub mod encode;
mod head;
#[cfg(feature = "deflate")]
mod inflate;
#[cfg(not(feature = "deflate"))]
#[path = "inflate_without.rs"]
mod inflate;
mod keepalive;
mod limits;
mod message;
mod negotiated;
mod observation;
mod observer;
mod token_bucket;
mod violation;

pub use close::CloseCode;
pub use head::{Opcode, Role};
pub use keepalive::{Due, KeepAlive};
pub use limits::{Limits, Rate};
pub use message::{Depth, MessageKind};
pub use negotiated::{Deflate, Negotiated, NegotiationError};
pub use observation::{Observation, Seen};
pub use observer::Observer;
pub use violation::{Kind, Violation};
