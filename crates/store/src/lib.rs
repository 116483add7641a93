//! Timed bans that outlive the process, and are shared between instances.
//!
//! A [`Store`] is a [`ChangeListener`](gabion_core::ChangeListener) of the table of bans. It queues each
//! update and writes it from a thread of its own; no caller waits for a disk. At the next start
//! [`Store::restored`] returns what was written.
//!
//! If a file cannot be written, bans keep working in memory. The store reports the outage as an
//! [event](gabion_core::StoreEvent), opens the file again with increasing intervals, and then writes what
//! it missed from a snapshot of the [`BanSource`](gabion_core::BanSource).
//!
//! # Files
//!
//! | file | content | written |
//! |---|---|---|
//! | `bans.redb` | bans and temporary exemptions | each group of queued updates, durably |
//! | `events.redb` | offenses of clients; events for reports | at most 1,000 changes or one second later |
//! | `lock` | nothing | locked by the process that writes the other two |
//!
//! # Examples
//!
//! ```
//! use std::{sync::Arc, time::{Duration, SystemTime}};
//! use gabion_core::{BanRecord, BanUpdate, ChangeListener, Event, RuleId, Sink, UpdateOrigin};
//! use gabion_store::{Store, StoreOptions};
//!
//! struct Print;
//!
//! impl Sink for Print {
//!     fn record(&self, event: &Event) {
//!         eprintln!("{event}");
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("gabion-store-doc-{}", std::process::id()));
//! let since = SystemTime::now();
//! let ban = BanRecord {
//!     network: "203.0.113.9/32".parse()?,
//!     by: RuleId::builtin("dotfiles"),
//!     reason: None,
//!     since,
//!     until: since + Duration::from_secs(600),
//!     offenses: 1,
//! };
//! let store = Store::open(StoreOptions::new(&folder), Arc::new(Print))?;
//! assert!(store.restored().bans.is_empty());
//! store.on_ban_update(&BanUpdate::Banned(ban), UpdateOrigin::Rule);
//! store.sync(Duration::from_secs(10))?;
//! drop(store);
//!
//! let store = Store::open(StoreOptions::new(&folder), Arc::new(Print))?;
//! assert_eq!(store.restored().bans[0].by.as_str(), "dotfiles");
//! # drop(store);
//! # std::fs::remove_dir_all(folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Dependencies
//!
//! `redb`, an embedded database in Rust without dependencies but libc, whose files survive a crash at any
//! write; `serde_json` for the rows, which tools can read. With the feature `redis`: `redis`, the most used client, and `tokio`, which it runs on.

#![warn(clippy::indexing_slicing)]

mod clock;
mod disk;
mod error;
mod file;
mod options;
mod record;
#[cfg(feature = "redis")]
mod shared;
mod status;
mod store;
mod stored_event;
#[cfg(test)]
mod tests;
mod writer;

pub use error::StoreError;
pub use options::StoreOptions;
#[cfg(feature = "redis")]
pub use shared::{SharedBans, SharedError, SharedOptions, SharedState, SharedStatus};
pub use status::{PartState, PartStatus, StoreProblem, StoreStatus};
pub use store::Store;
pub use stored_event::StoredEvent;
