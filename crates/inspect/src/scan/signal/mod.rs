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
use gabion_core::{Cause, Facts, Outcome, RequestState};
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
        seen: fn(&Look<'_>) -> bool,
    },
    /// In the answer.
    Answer(fn(&Answer<'_>) -> bool),
}

/// A head, and what several signals want to know of it: looked up once.
pub(super) struct Look<'f> {
    pub(super) facts: &'f Facts<'f>,
    /// Why it is a probe, if it is one.
    pub(super) probe: Option<Cause>,
    agents: Agents,
}

/// What a `User-Agent` names.
#[derive(Default)]
struct Agents {
    scanner: bool,
    library: bool,
}

/// How an exchange ended, and what went before.
pub(super) struct Answer<'a> {
    pub(super) state: &'a RequestState,
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

/// The names of scanners, then those of libraries, found in one pass whatever their case.
static AGENTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let mut engine = AhoCorasick::builder();
    let names = scanner::NAMES.iter().chain(&library::NAMES);
    engine.ascii_case_insensitive(true).build(names).ok()
});

// === impl Look ===

impl<'f> Look<'f> {
    pub(super) fn at(facts: &'f Facts<'f>) -> Self {
        Self {
            facts,
            probe: probe::cause(facts),
            agents: Agents::of(facts),
        }
    }
}

// === impl Agents ===

impl Agents {
    fn of(facts: &Facts<'_>) -> Self {
        let mut named = Self::default();
        let Some(engine) = AGENTS.as_ref() else {
            return named;
        };
        for agent in facts.headers.get_all(USER_AGENT) {
            for found in engine.find_iter(agent.as_bytes()) {
                if found.pattern().as_usize() < scanner::NAMES.len() {
                    named.scanner = true;
                } else {
                    named.library = true;
                }
            }
        }
        named
    }
}
