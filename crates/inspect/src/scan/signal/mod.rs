//! What scanners do and others seldom do: one file each, in the order in which they are told.

mod address;
pub(super) mod asset;
mod bare;
mod denied;
mod foreign;
mod library;
mod malformed;
mod method;
pub(super) mod missing;
pub(super) mod probe;
pub(super) mod refused;
mod scanner;

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use gabion_core::{Facts, Outcome, Trace};
use http::header::USER_AGENT;

use super::score::Past;

/// One signal.
pub(super) struct Signal {
    /// What it is called in a policy and in reasons.
    pub(super) name: &'static str,
    /// What it adds to a score of which 100 bans.
    pub(super) weight: u16,
    /// Whether it counts by itself.
    pub(super) counts: Weight,
    /// Where it shows.
    pub(super) sign: Sign,
}

pub(super) enum Weight {
    /// It counts by itself.
    Alone,
    /// It counts only in a request that gives another signal: many an honest client does so.
    Along,
}

pub(super) enum Sign {
    /// In the head. It is the client's `own` where no page can make a browser send it.
    Head {
        own: bool,
        seen: fn(&Facts<'_>) -> bool,
    },
    /// In the answer.
    Answer(fn(&Answer<'_>) -> bool),
}

/// How an exchange ended, and what went before.
pub(super) struct Answer<'a> {
    pub(super) trace: &'a Trace,
    pub(super) outcome: &'a Outcome<'a>,
    /// This exchange included.
    pub(super) past: &'a Past,
    /// Whether this exchange added to what is counted in `past`.
    pub(super) news: bool,
}

/// A bit of the trace: the scan has looked at the head.
pub(super) const JUDGED: u32 = 1 << 31;
/// A bit of the trace: browsers ask for such a path by themselves.
pub(super) const ASSET: u32 = 1 << 30;

pub(super) const ALL: [Signal; 11] = [
    probe::SIGNAL,
    denied::SIGNAL,
    malformed::SIGNAL,
    scanner::SIGNAL,
    library::SIGNAL,
    bare::SIGNAL,
    address::SIGNAL,
    foreign::SIGNAL,
    method::SIGNAL,
    missing::SIGNAL,
    refused::SIGNAL,
];

/// Parts of agents, found in one pass whatever their case.
type Parts = LazyLock<Option<AhoCorasick>>;

fn parts(parts: &[&str]) -> Option<AhoCorasick> {
    let mut engine = AhoCorasick::builder();
    engine.ascii_case_insensitive(true).build(parts).ok()
}

fn agent_holds(facts: &Facts<'_>, parts: &Parts) -> bool {
    let mut agents = facts.headers.get_all(USER_AGENT).iter();
    let parts = parts.as_ref();
    parts.is_some_and(|parts| agents.any(|agent| parts.is_match(agent.as_bytes())))
}
