//! One document, checked whole, compiled to one chain and swapped live.
//!
//! A policy is one TOML [`Document`]. [`PolicyHandle`] reads it, compiles it to a [`Chain`] of inspectors,
//! holds it to its own `[[expect]]` cases, and only then puts it in force, at once for every
//! request that begins from then on. What is wrong with a document is told all together, each with
//! file, line, column and help ([`PolicyError`]); until it is right, the old policy stays.
//! [`Watch`] does so whenever the files change.
//!
//! # Examples
//!
//! ```
//! use std::{sync::Arc, time::SystemTime};
//!
//! use gabion_core::{Event, Now, Sink, PolicySource};
//! use gabion_policy::{PolicyHandle, PolicyOptions, SampleRequest, explain};
//!
//! struct Stderr;
//!
//! impl Sink for Stderr {
//!     fn record(&self, event: &Event) {
//!         eprintln!("{event:?}");
//!     }
//! }
//!
//! let live = PolicyHandle::from_document(
//!     r#"
//!     version = 1
//!
//!     [[deny]]
//!     id = "php"
//!     extensions = ["php"]
//!     "#,
//!     "policy.toml",
//!     PolicyOptions::new(Arc::new(Stderr)),
//! )?;
//!
//! let now = Now::new(std::time::Duration::ZERO, SystemTime::UNIX_EPOCH);
//! let judge = |request| explain(&live.current(), &SampleRequest::new(request).unwrap(), now).verdict;
//! assert!(judge("GET /index.php").refuses());
//! assert!(!judge("GET /index.html").refuses());
//!
//! let error = live.replace("version = 1\n[alow]\n").unwrap_err();
//! assert_eq!(error.diagnostics()[0].message(), "unknown key `alow`");
//! assert!(judge("GET /index.php").refuses(), "the old policy stays");
//! # Ok::<(), gabion_policy::PolicyError>(())
//! ```
//!
//! # Dependencies
//!
//! `toml` parses with spans and goes on after an error. `annotate-snippets` draws errors as the
//! compiler of Rust does. `strsim` finds the key that was meant. `arc-swap` lets readers take the
//! policy in force without a lock. `notify` wakes [`Watch`].

mod budget;
mod chain;
mod check;
mod client;
mod compile;
mod diagnostic;
mod document;
mod dom;
mod expect;
mod files;
mod handle;
mod inventory;
mod issue;
mod list_check;
mod observe_only;
mod options;
mod packs;
mod read;
mod sample;
mod warn;
mod watch;
mod websocket;

pub use chain::Chain;
pub use check::{Report, check};
pub use client::{ClientSection, ForwardedHeader};
pub use diagnostic::{Diagnostic, PolicyError, Severity};
pub use document::Document;
pub use expect::{Expect, Expected};
pub use gabion_inspect::State;
pub use handle::{PolicyHandle, Replaced};
pub use inventory::ShrinkGuard;
pub use options::PolicyOptions;
pub use packs::Pack;
pub use sample::{Explained, SampleRequest, SampleRequestError, explain};
pub use watch::{Watch, WatchOptions};
