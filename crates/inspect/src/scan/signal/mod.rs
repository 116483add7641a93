//! The signals of scanners: one file each, listed in order of output.

mod address;
mod agents;
pub(super) mod asset;
mod bare;
mod denied;
mod error;
mod foreign;
pub(super) mod injection;
pub(super) mod leftover;
mod library;
mod malformed;
pub(super) mod method;
mod missing;
pub(super) mod probe;
pub(super) mod refused;
mod scanner;

use std::fmt;

use gabion_core::{Facts, KnownHeader};

use super::{exchange::Exchange, scores::Signals};
use agents::Agents;

/// A signal.
pub(super) struct Signal {
    /// The name in policies and reports.
    pub(super) name: &'static str,
    /// The default weight, relative to a default `ban_at` of 100.
    pub(super) weight: u16,
    /// The condition under which the signal counts.
    pub(super) trigger: Trigger,
    /// The part of the exchange in which the signal is detected.
    pub(super) detector: Detector,
}

/// The condition under which a [`Signal`] adds its weight.
pub(super) enum Trigger {
    /// The signal counts by itself.
    Alone,
    /// The signal counts only together with another signal, since many honest clients match it.
    Combined,
}

/// The function that detects a [`Signal`], by the part of the exchange that it reads.
pub(super) enum Detector {
    /// The head of the request. `certain` is `true` if no page can cause a browser to send it.
    Head {
        certain: bool,
        matches: fn(&RequestFeatures<'_>) -> bool,
    },
    /// The response.
    Response(fn(&Exchange<'_>) -> bool),
}

/// The facts of a request, and features that several signals use.
pub(super) struct RequestFeatures<'f> {
    pub(super) facts: &'f Facts<'f>,
    /// `true` if the path is a [`probe`].
    pub(super) is_probe: bool,
    agents: Agents,
}

pub(super) const ALL: [Signal; 13] = [
    probe::SIGNAL,
    denied::SIGNAL,
    malformed::SIGNAL,
    scanner::SIGNAL,
    library::SIGNAL,
    bare::SIGNAL,
    address::SIGNAL,
    foreign::SIGNAL,
    method::SIGNAL,
    injection::SIGNAL,
    missing::SIGNAL,
    error::SIGNAL,
    refused::SIGNAL,
];

/// The bits of the signals in heads that count by themselves.
pub(super) const ALONE: u64 = head_bits(true);

/// The bits of the signals in heads that count only together with another: those of programs.
pub(super) const COMBINED: u64 = head_bits(false);

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn head_bits(alone: bool) -> u64 {
    let (mut bits, mut at) = (0, 0);
    while at < ALL.len() {
        let signal = &ALL[at];
        let is_alone = matches!(signal.trigger, Trigger::Alone);
        if is_alone == alone && matches!(signal.detector, Detector::Head { .. }) {
            bits |= 1 << at;
        }
        at += 1;
    }
    bits
}

// === impl RequestFeatures ===

impl<'f> RequestFeatures<'f> {
    #[inline]
    pub(super) fn new(facts: &'f Facts<'f>, is_probe: bool) -> Self {
        Self {
            facts,
            is_probe,
            agents: Agents::new(facts),
        }
    }

    /// Returns `true` if the `User-Agent` is that of a program: of a library, or with a name of its own.
    pub(super) fn is_named(&self) -> bool {
        let agent = self.facts.index.first(KnownHeader::UserAgent);
        let is_disguised = self.agents.browser || self.agents.scanner;
        !is_disguised && agent.is_some_and(|agent| !agent.is_empty())
    }
}

// === impl Signals ===

impl Signals {
    /// Returns the names of the signals.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = ALL.iter().enumerate();
        all.filter_map(move |(at, signal)| (self.bits & (1 << at) != 0).then_some(signal.name))
    }
}

impl fmt::Display for Signals {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a score is rounded; an integer takes a tenth of the time"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.score().round() as u32)?;
        for name in self.names() {
            f.write_str(" ")?;
            f.write_str(name)?;
        }
        Ok(())
    }
}
