//! The watchmen of gabion: each judges [`Facts`](gabion_core::Facts), alone or in a chain.
//!
//! | watchman | refuses |
//! |---|---|
//! | [`Sanity`] | heads that no honest client sends and that two servers would read differently |
//! | [`Hosts`] | requests for hosts that the server does not answer for |
//! | [`Allow`] | nothing: it lets through what is never to be judged further |
//! | [`Ban`] | clients on a list, and clients banned for a time |
//! | [`Deny`] | paths that the server behind does not have and nobody should ask for |
//!
//! Each is compiled from plain data (`config` types that serde reads) into an immutable engine;
//! what changes while it runs (timed bans) lives apart, in a bounded [`BanTable`].
//!
//! # Dependencies
//!
//! `regex-automata` matches what typed rules cannot say, with a bound on memory that `regex` does
//! not offer for many patterns at once. `papaya` holds timed bans: they are read on every request
//! and its reads take no lock. `humantime` reads durations. `ipnet` is the type of a network.

#![warn(clippy::indexing_slicing)]

mod allow;
mod ban;
mod config;
mod deny;
mod hosts;
mod sanity;

pub use allow::{Allow, AllowConfig};
pub use ban::{Ban, BanConfig, BanTable, IpRanges, List, ListError, ListProblem, Listed, Standing};
pub use config::serde_mode;
pub use config::{
    ConfigError, ConfigErrors, Network, NetworkError, Period, PeriodError, Place, Problem, Strings,
};
pub use deny::{Deny, DenyRule, Then};
pub use hosts::{Hosts, ServerConfig};
pub use sanity::Sanity;
