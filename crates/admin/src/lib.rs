//! Admin API of gabion: bans, temporary exemptions, status, and checks of a running
//! [`Guard`](gabion::Guard), as JSON over a Unix socket or TCP.
//!
//! [`Admin`] holds what the API works on. [`AdminServer`] serves it on a thread of its own, so that no admin request
//! delays one of a client. Every path, its parameters and the security of the listeners are in the guide,
//! `gabion::guide::operate`.
//!
//! - A [`UnixListener`] has the mode 0600. The caller is known by its uid.
//! - A [`TcpListener`] is on loopback, or has TLS ([`Tls`]). Callers need a [`Token`] of 256 bits.
//!
//! Each change, and each refused caller, is an event ([`AuditEvent`](gabion::event::AuditEvent)) in the sink of the
//! guard; those of refused callers are bounded. A change is answered when it is durable ([`Durability`]).
//!
//! # Examples
//!
//! ```
//! use std::{
//!     io::{Read as _, Write as _},
//!     os::unix::net::UnixStream,
//! };
//!
//! use gabion::Guard;
//! use gabion_admin::{Admin, AdminServer, Existing, UnixListener};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = gabion_testkit::TempFolder::new("admin-doc");
//! # let path = folder.path().join("admin.sock");
//! let guard = Guard::from_policy("version = 1\n")?;
//! let listener = UnixListener::bind(&path, Existing::Refuse)?;
//! let server = AdminServer::start(Admin::new(guard.clone()), Some(listener), None)?;
//!
//! let mut socket = UnixStream::connect(&path)?;
//! let body = r#"{"address": "203.0.113.9", "for": "1h", "reason": "scraper"}"#;
//! write!(
//!     socket,
//!     "POST /v1/bans HTTP/1.1\r\nHost: guard\r\nContent-Type: application/json\r\n\
//!      Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
//!     body.len(),
//! )?;
//! let mut response = String::new();
//! socket.read_to_string(&mut response)?;
//! assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
//! assert!(guard.find_ban("203.0.113.9".parse()?).is_some());
//! # drop(server);
//! # Ok(())
//! # }
//! ```
//!
//! # Dependencies
//!
//! - `axum` routes requests and extracts their parts. The accept loop is this crate's own, on `hyper`: `axum::serve`
//!   has neither a deadline for request heads nor a limit of connections.
//! - `serde_json` and `serde_path_to_error` read bodies, and name the field of an error.
//! - `sha2` and `subtle` compare tokens in constant time; `getrandom` makes them.
//! - `metrics` takes the state of the guard as gauges; the program chooses the exporter.
//! - `humantime` reads and writes times (RFC 3339).

mod access;
mod admin;
mod api;
mod caller;
mod durability;
mod error;
mod events;
mod exporter;
mod extract;
mod listen;
mod time;
mod wire;

pub use access::{Token, TokenError};
pub use admin::Admin;
pub use durability::{Durability, NotDurable, SharedState, SubsystemStatus};
pub use events::EventSource;
pub use listen::{
    AdminServer, Existing, ListenError, Stream, TcpListener, Tls, TlsFuture, UnixListener,
};
pub use time::Timestamp;
pub use wire::{
    AllowRow, Allowed, Allows, BanRow, Banned, Bans, BansStatus, CheckOutcome, Checked, ErrorBody,
    Forgotten, ImportCounts, Lifted, PolicyStatus, RejectedStatus, Status,
};
