//! What is known of one client.

use std::{fmt, time::Duration};

use gabion_core::{Attribution, Outcome, RequestState};

use super::{
    ScanConfig,
    signal::{self, Answer, Sign, Weight},
};
use crate::bounded_map::left_after;

/// How signals weigh.
#[derive(Debug)]
pub(super) struct Scale {
    ban_at: f32,
    half_life: Duration,
    weights: [f32; signal::ALL.len()],
}

/// A client's score, and what it was made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) at: Duration,
    /// What weighs, and how much of it no page can make a browser send.
    score: f32,
    certain: f32,
    seen: u32,
    past: Past,
}

/// What a client did lately; counts halve with the score.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    /// Requests.
    pub(super) asked: f32,
    /// Different paths that are not there.
    pub(super) missed: f32,
    /// Attempts to change something that were answered 401 or 403.
    pub(super) refused: f32,
    /// A bit per path that was missed: two paths may share one, and count once then.
    paths: u128,
}

/// The signals of one exchange.
#[derive(Default)]
struct Given {
    bits: u32,
    weight: f32,
    /// Whether one of them is what no page can make a browser send.
    own: bool,
}

/// A score and the signals that made it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signals {
    score: f32,
    bits: u32,
}

// === impl Scale ===

impl Scale {
    pub(super) fn of(config: &ScanConfig) -> Self {
        let weight = |signal: &signal::Signal| {
            let given = config.weights.get(signal.name).copied();
            f32::from(given.unwrap_or(signal.weight))
        };
        let mut weights = [0.0; signal::ALL.len()];
        for (slot, signal) in weights.iter_mut().zip(&signal::ALL) {
            *slot = weight(signal);
        }
        // Exact as far as a weight of 16 bits can add up to.
        let ban_at = u16::try_from(config.ban_at.get()).unwrap_or(u16::MAX);
        Self {
            ban_at: f32::from(ban_at),
            half_life: config.half_life.0,
            weights,
        }
    }

    /// The signals of one exchange, if any of them counts by itself.
    fn weigh(&self, answer: &Answer<'_>) -> Option<Given> {
        let mut given = Given::default();
        let mut counts = false;
        for (at, (signal, weight)) in signal::ALL.iter().zip(self.weights).enumerate() {
            let bit = 1 << at;
            let (seen, own) = match signal.sign {
                Sign::Head { own, .. } => (answer.state.signals() & bit != 0, own),
                Sign::Answer(seen) => (seen(answer), false),
            };
            if seen {
                given.bits |= bit;
                given.weight += weight;
                given.own |= own;
                counts |= matches!(signal.counts, Weight::Alone);
            }
        }
        (counts && given.weight > 0.0).then_some(given)
    }
}

// === impl Record ===

impl Record {
    /// Adds what one exchange weighs. The proof, where that makes it an offense.
    pub(super) fn weigh(
        &mut self,
        scale: &Scale,
        state: &RequestState,
        outcome: &Outcome<'_>,
    ) -> Option<Attribution> {
        self.fade(scale, state.now().mono());
        let news = self.past.note(state, outcome);
        let given = scale.weigh(&Answer {
            state,
            outcome,
            past: &self.past,
            news,
        })?;
        self.seen |= given.bits;
        self.score += given.weight;
        if given.own || state.attribution() == Attribution::Certain {
            self.certain += given.weight;
        }
        if self.certain >= scale.ban_at {
            return Some(Attribution::Certain);
        }
        let path = state.path_hash();
        (self.score >= scale.ban_at).then_some(Attribution::Forgeable { path })
    }

    pub(super) const fn signals(&self) -> Signals {
        Signals {
            score: self.score,
            bits: self.seen,
        }
    }

    fn fade(&mut self, scale: &Scale, now: Duration) {
        let left = left_after(now.saturating_sub(self.at), scale.half_life);
        self.at = self.at.max(now);
        self.score *= left;
        self.certain *= left;
        self.past.asked *= left;
        self.past.missed *= left;
        self.past.refused *= left;
        if self.score < 1.0 {
            self.seen = 0;
        }
        if self.past.missed < 0.5 {
            self.past.paths = 0;
        }
    }
}

// === impl Past ===

impl Past {
    /// Counts one exchange; whether it told anything new.
    fn note(&mut self, state: &RequestState, outcome: &Outcome<'_>) -> bool {
        self.asked += 1.0;
        if outcome.denial.is_some() {
            return false;
        }
        if signal::refused::is_one(state, outcome) {
            self.refused += 1.0;
            return true;
        }
        let bit = 1 << (state.path_hash() % 128);
        let new = signal::missing::is_one(state, outcome) && self.paths & bit == 0;
        if new {
            self.paths |= bit;
            self.missed += 1.0;
        }
        new
    }
}

// === impl Signals ===

impl Signals {
    /// The score.
    pub const fn score(self) -> f32 {
        self.score
    }

    /// The names of the signals.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = signal::ALL.iter().enumerate();
        all.filter_map(move |(at, signal)| (self.bits & (1 << at) != 0).then_some(signal.name))
    }
}

impl fmt::Display for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}:", self.score)?;
        self.names().try_for_each(|name| write!(f, " {name}"))
    }
}
