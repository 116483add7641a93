//! Request inspectors for [gabion](https://docs.rs/gabion), each compiled from a config section.
//!
//! An inspector implements [`Inspect`](gabion_core::Inspect): it judges the
//! [`Facts`](gabion_core::Facts) of a request, alone or in a chain.
//!
//! | inspector | denies |
//! |---|---|
//! | [`ProtocolRules`] | malformed heads, and heads that two servers would interpret differently |
//! | [`ServerQuirks`] | path spellings that the guarded server resolves differently from most servers |
//! | [`HostAllowlist`] | requests for hosts that the server does not serve |
//! | [`Allow`] | nothing: it ends judgment for safelisted clients and paths |
//! | [`Ban`] | clients on a ban list, and clients with a timed ban |
//! | [`Deny`] | paths and user agents that match a rule |
//! | [`Handshake`] | cross-origin WebSocket handshakes, and handshakes outside the configured routes |
//! | [`Messages`] | messages on open WebSockets, by content and size |
//! | [`Limit`] | requests over a rate limit |
//! | [`Scan`] | nothing: it scores clients, and bans those that scan |
//!
//! Each section is plain data (a [`Config`] that serde reads) and compiles to an immutable
//! inspector. State that changes at run time is kept apart, in the bounded tables of [`State`]:
//! timed bans in a [`BanTable`], counters in a [`LimitTable`].
//!
//! # Examples
//!
//! ```
//! use gabion_inspect::{Config, Context, DenyRule, State};
//!
//! let deny = [DenyRule::new("php").extensions(["php"])].compile(&Context::new(&State::default()))?;
//! assert!(deny.judges(b"/index.php").is_some());
//! assert!(deny.judges(b"/index.html").is_none());
//! # Ok::<(), gabion_inspect::ConfigErrors>(())
//! ```
//!
//! # Dependencies
//!
//! - `regex-automata` matches expressions, with a memory bound for many patterns at once that
//!   `regex` does not offer.
//! - `aho-corasick` finds the literals of all message rules in one pass, `memchr` the places to
//!   begin, and `regex-syntax` the literals that an expression requires.
//! - `papaya` holds timed bans: they are read on every request, and its reads take no lock.
//! - `quick_cache` holds per-client state: it is bounded, and a scan does not evict entries in use.
//! - `governor` decides whether a request is within its rate.
//! - `humantime` parses durations.
//! - `serde_json` parses the lists that cloud providers and Spamhaus publish as JSON, into typed
//!   structs, at most 128 levels deep.
//! - `ipnet` provides the network type.
//! - `siphasher` hashes the keys of limits that instances share: `SipHash` with a given key, which `std` does not
//!   offer.
//!
//! The state of `governor`'s decisions is in a [`LimitTable`], since its own stores grow with their
//! keys until they are cleaned, and a check among a million keys takes nearly twice the time
//! (`benches`, `--bench limit`).

#![warn(clippy::indexing_slicing)]

mod agent;
mod allow;
mod asset_extension;
mod ban;
mod bounded_map;
mod config;
mod context;
mod deny;
mod expression;
mod hosts;
mod limit;
mod lossy_set;
mod message;
mod page;
mod protocol;
mod quirks;
mod scan;
mod sequence;
mod short_name;
mod state;
mod table_usage;
mod timed_map;
mod upgrade;

pub use allow::{ActiveAllow, Allow, AllowConfig, AllowTable};
pub use ban::{
    ActiveBan, AddressShare, AddressShareError, Ban, BanArbiter, BanConfig, BanFile, BanFiles,
    BanSettings, BanTable, CrawlerConfig, CrawlerFinding, CrawlerLookup, CustomCrawler, IpRanges,
    KnownCrawler, List, ListCheck, ListEffect, ListError, ListProblem, ListRejection, Listed,
    NeighborsConfig, OnListError,
};
pub use config::serde_mode;
pub use config::{
    ByteRate, ByteRateError, ByteRateLimit, ByteSize, ByteSizeError, ConfigError, ConfigErrors,
    ConfigPath, Network, NetworkError, OneOrMany, Period, PeriodError, Problem,
};
pub use context::{Config, Context};
pub use deny::{Action, ActionError, Deny, DenyRule};
pub use hosts::{HostAllowlist, ServerConfig};
pub use limit::{
    Limit, LimitAction, LimitActionError, LimitRule, LimitSharing, LimitTable, Rate, RateError,
};
pub use message::{MessageAction, MessageActionError, MessageRule, Messages};
pub use protocol::{
    HttpVersion, ProtocolConfig, ProtocolException, ProtocolRule, ProtocolRuleError, ProtocolRules,
};
pub use quirks::{ServerKind, ServerQuirks};
pub use scan::{Scan, ScanConfig, Scores, Signals};
pub use sequence::Sequence;
pub use state::State;
pub use table_usage::TableUsage;
pub use upgrade::{
    CompiledUpgrade, Compression, Handshake, KnownWebSocketPaths, Ping, PingError, PlainHttpHint,
    RouteConfig, UpgradeConfig,
};
