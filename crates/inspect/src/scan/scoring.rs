//! The effect of an exchange on the score of its client.

use std::time::Duration;

use gabion_core::{Attribution, Outcome, RequestState};

use super::{
    ScanConfig,
    exchange::{Exchange, History},
    scores::ClientScore,
    signal::{self, Detector, Trigger},
};
use crate::bounded_map::decay;

/// The weights of signals, with the threshold and the half-life of scores.
#[derive(Debug)]
pub(super) struct Scoring {
    ban_at: f32,
    half_life: Duration,
    weights: [f32; signal::ALL.len()],
}

/// The signals of an exchange.
#[derive(Default)]
struct Detected {
    bits: u64,
    weight: f32,
    /// `true` if one of them is a signal that no page can cause.
    certain: bool,
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
