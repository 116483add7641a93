//! Passive, incremental WebSocket frame parser.
//!
//! An [`Observer`] takes the bytes that one side of a WebSocket sends after the handshake (RFC
//! 6455) and reports their content: frames, complete messages, pings, closes. It does not change
//! the bytes: the owner of the stream forwards them as they are. Bytes that violate the protocol or
//! the [`Limits`] yield a [`Violation`] with the [`CloseCode`] to close the connection with. After
//! a violation, the observer returns only that violation, since the position of the next frame is
//! unknown.
//!
//! For the time between frames there are [`KeepAlive`] pings, and [`IdleTimeouts`], which detects
//! the timer of a hop that cuts idle connections.
//!
//! This crate does no IO, reads no clock and logs nothing: time is passed in as the duration since
//! some start, as in `gabion_core::Now::mono`. With the feature `deflate` it depends on
//! `miniz_oxide` (safe Rust) to decode messages compressed by permessage-deflate (RFC 7692); it
//! inflates into one buffer after the window, so that a reference to bytes before the window is an
//! error. Without the feature, compressed messages can be observed, and are refused if they would
//! have to be decoded.
//!
//! # Examples
//!
//! Forwards bytes, and holds each message back until it is judged:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use gabion_frames::{Limits, MessageDecoding, Negotiated, Observer, Role, Seen, Violation};
//!
//! fn forward(
//!     observer: &mut Observer,
//!     mut input: &[u8],
//!     now: Duration,
//!     held: &mut Vec<u8>,
//!     sent: &mut Vec<u8>,
//! ) -> Result<(), Violation> {
//!     while let Some(observation) = observer.watch(&mut input, now)? {
//!         if observation.hold {
//!             held.extend(observation.bytes);
//!         } else {
//!             sent.extend(observation.bytes);
//!         }
//!         if let Some(Seen::Message { payload, .. }) = observation.seen {
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
//! let mut observer = Observer::new(Role::Server, limits, Negotiated::NONE, MessageDecoding::All);
//! let (mut held, mut sent) = (Vec::new(), Vec::new());
//! let input = b"\x81\x02hi\x81\x08drop\x20it!\x89\x00";
//! forward(&mut observer, input, Duration::ZERO, &mut held, &mut sent)?;
//! assert_eq!(sent, b"\x81\x02hi\x89\x00");
//! # Ok::<(), Violation>(())
//! ```

#![warn(clippy::indexing_slicing)]

mod buffer;
mod close;
mod control;
pub mod encode;
mod head;
mod idle;
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
mod opcode;
mod token_bucket;
mod violation;

pub use buffer::{BudgetExhausted, BudgetedBuffer, BufferBudget};
pub use close::CloseCode;
pub use head::Role;
pub use idle::{IdleTimeout, IdleTimeouts, KnownTimer};
pub use keepalive::{KeepAlive, KeepAliveAction};
pub use limits::{Limits, Rate};
pub use message::{MessageDecoding, MessageKind};
pub use negotiated::{Deflate, Negotiated, NegotiationError};
pub use observation::{Observation, Seen};
pub use observer::Observer;
pub use opcode::Opcode;
pub use violation::{Kind, Violation};
