//! The watchmen of gabion: each judges [`Facts`](gabion_core::Facts), alone or in a chain.
//!
//! | watchman | refuses |
//! |---|---|
//! | [`ProtocolRules`] | heads that no honest client sends and that two servers would read differently |
//! | [`ServerQuirks`] | spellings of a path that the server behind reads otherwise than most |
//! | [`HostAllowlist`] | requests for hosts that the server does not answer for |
//! | [`Allow`] | nothing: it lets through what is never to be judged further |
//! | [`Ban`] | clients on a list, and clients banned for a time |
//! | [`Deny`] | paths that the server behind does not have and nobody should ask for |
//! | [`Handshake`] | WebSockets that pages of a foreign origin open, and other handshakes that should not be |
//! | [`Messages`] | messages on open WebSockets, by what they say and how large they are |
//! | [`Limit`] | whoever asks for more than a share |
//! | [`Scan`] | nothing: it scores clients, and finds who is to be banned |
//!
//! Each is compiled from plain data (`config` types that serde reads) into an immutable engine;
//! what changes while it runs lives apart, in bounded tables: timed bans in a [`BanTable`], budgets
//! in a [`LimitTable`].
//!
//! # Dependencies
//!
//! `regex-automata` matches what typed rules cannot say, with a bound on memory that `regex` does
//! not offer for many patterns at once. `papaya` holds timed bans: they are read on every request
//! and its reads take no lock. `quick_cache` holds what is known of clients: it is bounded, and a scan
//! does not drive out what is in use. `humantime` reads durations. A [`LimitTable`] is our own: the
//! stores of `governor` grow with their keys until someone has them forget, and among a million of
//! them a check takes nearly twice the time (`benches`, `--bench limit`).
//! `serde_json` reads the lists that clouds and Spamhaus publish as JSON, into typed structs and no
//! deeper than 128 levels. `ipnet` is the type of a network.

#![warn(clippy::indexing_slicing)]

mod allow;
mod ban;
mod bounded_map;
mod config;
mod context;
mod deny;
mod expression;
mod hosts;
mod limit;
mod message;
mod network;
mod protocol;
mod quirks;
mod scan;
mod state;
mod upgrade;

pub use allow::{Allow, AllowConfig};
pub use ban::{
    ActiveBan, AddressShare, AddressShareError, Ban, BanArbiter, BanConfig, BanTable, IpRanges,
    List, ListCheck, ListError, ListProblem, ListRejection, Listed,
};
pub use config::serde_mode;
pub use config::{
    ByteRate, ByteRateError, ByteSize, ByteSizeError, ConfigError, ConfigErrors, ConfigPath,
    Network, NetworkError, OneOrMany, Period, PeriodError, Problem,
};
pub use context::{Config, Context};
pub use deny::{Action, ActionError, Deny, DenyRule};
pub use hosts::{HostAllowlist, ServerConfig};
pub use limit::{Limit, LimitRule, LimitTable, Rate, RateError};
pub use message::{MessageAction, MessageActionError, MessageRule, Messages};
pub use protocol::{HttpVersion, ProtocolConfig, ProtocolRules};
pub use quirks::{ServerKind, ServerQuirks};
pub use scan::{Scan, ScanConfig, Scores, Signals};
pub use state::State;
pub use upgrade::{
    CompiledUpgrade, Compression, Handshake, KnownWebSocketPaths, Ping, PingError, PlainHttpHint,
    RouteConfig, UpgradeConfig,
};
