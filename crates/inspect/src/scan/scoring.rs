//! The score of a client.

use std::{fmt, time::Duration};

use gabion_core::{Attribution, Outcome, RequestState};

use super::{
    ScanConfig,
    signal::{self, Detector, Exchange, Trigger},
};
use crate::bounded_map::decay;

/// The weights of signals, with the threshold and the half-life of scores.
#[derive(Debug)]
pub(super) struct Scoring {
    ban_at: f32,
    half_life: Duration,
    weights: [f32; signal::ALL.len()],
}

/// The score of a client, and the signals that contributed to it.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientScore {
    pub(super) at: Duration,
    /// The total score, and the part of it from exchanges that no page can cause.
    score: f32,
    certain: f32,
    seen: u64,
    history: History,
}

/// The recent behavior of a client. Counts decay with the score.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// The number of requests.
    pub(super) requests: f32,
    /// The number of different missing paths.
    pub(super) missing: f32,
    /// The number of modifying requests answered with 401 or 403.
    pub(super) refused: f32,
    /// A bit per missing path. Two paths with the same bit count once.
    paths: u128,
}

/// The signals of an exchange.
#[derive(Default)]
struct Detected {
    bits: u64,
    weight: f32,
    /// `true` if one of them is a signal that no page can cause.
    certain: bool,
}

/// A score and the names of the signals that contributed to it, from
/// [`Scores::reasons`](super::Scores::reasons).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signals {
    score: f32,
    bits: u64,
}

// === impl Scoring ===

impl Scoring {
    pub(super) fn new(config: &ScanConfig) -> Self {
        let weight = |signal: &signal::Signal| {
            let configured = config.weights.get(signal.name).copied();
            f32::from(configured.unwrap_or(signal.weight))
        };
        let mut weights = [0.0; signal::ALL.len()];
        for (slot, signal) in weights.iter_mut().zip(&signal::ALL) {
            *slot = weight(signal);
        }
        // Capped to 16 bits, the range of a weight, which `f32` represents exactly.
        let ban_at = u16::try_from(config.ban_at.get()).unwrap_or(u16::MAX);
        Self {
            ban_at: f32::from(ban_at),
            half_life: config.half_life.0,
            weights,
        }
    }

    /// Returns the signals of an exchange, if one of them counts alone.
    fn detect(&self, exchange: &Exchange<'_>) -> Option<Detected> {
        let mut detected = Detected::default();
        let mut counts = false;
        for (at, (signal, weight)) in signal::ALL.iter().zip(self.weights).enumerate() {
            let bit = 1 << at;
            let (is_seen, certain) = match signal.detector {
                Detector::Head { certain, .. } => (exchange.signals & bit != 0, certain),
                Detector::Response(matches) => (matches(exchange), false),
            };
            if is_seen {
                detected.bits |= bit;
                detected.weight += weight;
                detected.certain |= certain;
                counts |= matches!(signal.trigger, Trigger::Alone);
            }
        }
        (counts && detected.weight > 0.0).then_some(detected)
    }
}

// === impl ClientScore ===

impl ClientScore {
    /// Adds the signals of an exchange. Returns the attribution if they make it an offense.
    pub(super) fn add(
        &mut self,
        scoring: &Scoring,
        state: &RequestState,
        signals: u64,
        outcome: &Outcome<'_>,
    ) -> Option<Attribution> {
        self.apply_decay(scoring, state.now().mono());
        let is_new = self.history.record(state, signals, outcome);
        let detected = scoring.detect(&Exchange {
            state,
            signals,
            outcome,
            history: &self.history,
            is_new,
        })?;
        self.seen |= detected.bits;
        self.score += detected.weight;
        if detected.certain || state.attribution() == Attribution::Certain {
            self.certain += detected.weight;
        }
        if self.certain >= scoring.ban_at {
            return Some(Attribution::Certain);
        }
        let path = state.path_hash();
        (self.score >= scoring.ban_at).then_some(Attribution::Forgeable { path })
    }

    pub(super) const fn signals(&self) -> Signals {
        Signals {
            score: self.score,
            bits: self.seen,
        }
    }

    fn apply_decay(&mut self, scoring: &Scoring, now: Duration) {
        let left = decay(now.saturating_sub(self.at), scoring.half_life);
        self.at = self.at.max(now);
        self.score *= left;
        self.certain *= left;
        self.history.requests *= left;
        self.history.missing *= left;
        self.history.refused *= left;
        if self.score < 1.0 {
            self.seen = 0;
        }
        if self.history.missing < 0.5 {
            self.history.paths = 0;
        }
    }
}

// === impl History ===

impl History {
    /// Counts an exchange. Returns `true` if it added to `missing` or `refused`.
    fn record(&mut self, state: &RequestState, signals: u64, outcome: &Outcome<'_>) -> bool {
        self.requests += 1.0;
        if outcome.denial.is_some() {
            return false;
        }
        if signal::refused::is_refused(state, outcome) {
            self.refused += 1.0;
            return true;
        }
        let bit = 1 << (state.path_hash() % 128);
        let new = signal::missing::is_missing(signals, outcome) && self.paths & bit == 0;
        if new {
            self.paths |= bit;
            self.missing += 1.0;
        }
        new
    }
}

// === impl Signals ===

impl Signals {
    /// Returns the score.
    pub const fn score(self) -> f32 {
        self.score
    }

    /// Returns the names of the signals.
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
