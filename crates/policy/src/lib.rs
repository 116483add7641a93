//! Compiler and hot reload for gabion's policy document.
//!
//! A policy is one TOML [`Document`]. [`PolicyHandle`] parses it, compiles it to a [`Chain`] of
//! inspectors, runs its `[[expect]]` tests ([`Expect`]), and then swaps it in atomically: every
//! request that begins after the swap is judged by the new policy. A document with errors is
//! refused with all of its errors at once, each with file, line, column and help
//! ([`PolicyError`]), and the previous policy stays in force. [`Watch`] reloads a policy whenever
//! its files change. [`check`] validates a document without putting it in force, and [`explain`]
//! judges a [`SampleRequest`] and lists each inspector's verdict.
//!
//! # Examples
//!
//! ```
//! use std::{sync::Arc, time::SystemTime};
//!
//! use gabion_core::{Event, Now, PolicySource, Sink};
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
//! let policy = PolicyHandle::from_document(
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
//! let judge = |request| explain(&policy.current(), &SampleRequest::new(request).unwrap(), now).verdict;
//! assert!(judge("GET /index.php").refuses());
//! assert!(!judge("GET /index.html").refuses());
//!
//! let error = policy.replace("version = 1\n[alow]\n").unwrap_err();
//! assert_eq!(error.diagnostics()[0].message(), "unknown key `alow`; did you mean `allow`?");
//! assert!(judge("GET /index.php").refuses(), "the previous policy stays in force");
//! # Ok::<(), gabion_policy::PolicyError>(())
//! ```
//!
//! # Dependencies
//!
//! `toml` parses with spans and recovers after an error. `annotate-snippets` renders errors in the
//! style of rustc. `strsim` finds the nearest known key. `arc-swap` lets readers load the current
//! policy without a lock. `notify` delivers file events to [`Watch`].

mod budget;
mod chain;
mod check;
mod client;
mod compile;
mod diagnostic;
mod document;
mod expect;
mod expect_runner;
mod explanation;
mod files;
mod handle;
mod inventory;
mod issue;
mod known_file;
mod list_check;
mod options;
mod packs;
mod read;
mod sample;
mod toml_tree;
mod warn;
mod watch;
mod watched_paths;
mod websocket;

pub use chain::Chain;
pub use check::{Report, check, check_replacement};
pub use client::ClientSection;
pub use diagnostic::{Diagnostic, PolicyError, Severity};
pub use document::Document;
pub use expect::{Expect, Expected};
pub use explanation::{
    ConsultedRule, ExplainedHop, ExplainedStep, ExplainedView, OfferedException,
    RequestExplanation, RuleSelection,
};
pub use gabion_inspect::State;
pub use handle::{Candidate, PolicyHandle, Replaced};
pub use inventory::ShrinkGuard;
pub use options::PolicyOptions;
pub use packs::Pack;
pub use read::{DocumentErrors, TomlDocument};
pub use sample::{Explained, SampleRequest, SampleRequestError, explain};
pub use watch::{Watch, WatchOptions, WatchTrigger};
