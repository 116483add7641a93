//! The effect of an exchange on the score of its client.

use std::time::Duration;

use gabion_core::{Attribution, Now, Outcome, RequestState};

use super::{
    ScanConfig,
    exchange::{self, Answer, Exchange},
    scores::ClientScore,
    signal::{self, Detector, Trigger},
    target::Target,
};
use crate::bounded_map::decay;

/// The weights of signals, with the threshold and the half-life of scores.
#[derive(Debug)]
pub(super) struct Scoring {
    ban_at: f32,
    half_life: Duration,
    weights: [f32; signal::ALL.len()],
}

/// The bits of signals that count although the page was served. Of the signals in responses, only
/// `injection` does.
pub(super) const COUNTS_WHEN_SERVED: u64 = signal::ALONE | exchange::INJECTION;

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
    /// A score is at most so many times the threshold, so that a high one ends one half-life after the last
    /// exchange with a signal.
    const MAX: f32 = 2.0;

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

    /// Returns the time until a score falls below the threshold. `None` if it is below.
    fn high_for(&self, score: f32) -> Option<Duration> {
        let half_lives = || (score / self.ban_at).log2();
        (score >= self.ban_at).then(|| self.half_life.mul_f32(half_lives()))
    }

    /// Describes the signals of a head, of which `bits` are set, and the score of its client so far.
    pub(super) fn details(&self, bits: u64, score: Option<f32>) -> Vec<String> {
        let weights = signal::ALL.iter().zip(self.weights).enumerate();
        let seen = weights.filter(|(at, _)| bits & 1 << at != 0);
        let signals = seen.map(|(_, (signal, weight))| {
            let condition = match signal.trigger {
                Trigger::Alone => "",
                Trigger::Combined => ", only together with another signal",
            };
            format!("signal {}: {weight} points{condition}", signal.name)
        });
        let score = score.unwrap_or_default();
        let total = format!("score so far: {score:.0} of {} for a ban", self.ban_at);
        signals.chain([total]).collect()
    }

    /// The number of half-lives until `now`.
    pub(super) fn period(&self, now: Now) -> u32 {
        let length = self.half_life.as_secs().max(1);
        u32::try_from(now.mono().as_secs() / length).unwrap_or(u32::MAX)
    }
}

// === impl ClientScore ===

impl ClientScore {
    /// The number of served pages, and of missing ones, with which the pages of a client are trusted.
    const HONEST: (u32, u32) = (3, 8);

    /// Adds the signals of an exchange. Returns the attribution if they make it an offense.
    pub(super) fn add(
        &mut self,
        scoring: &Scoring,
        state: &RequestState,
        (signals, target): (u64, Target),
        (outcome, answer): (&Outcome<'_>, Answer),
    ) -> Option<Attribution> {
        self.apply_decay(scoring, state.now());
        let is_new = self.history.record(target, signals, answer);
        if answer == Answer::Served && signals & COUNTS_WHEN_SERVED == 0 {
            return None;
        }
        let detected = scoring.detect(&Exchange {
            state,
            signals,
            outcome,
            answer,
            history: &self.history,
            is_new,
        })?;
        self.seen |= detected.bits;
        let most = scoring.ban_at * Scoring::MAX;
        let add = |score: &mut f32| *score = (*score + detected.weight).min(most);
        add(&mut self.total);
        if state.attribution() == Attribution::CrossSite {
            return None;
        }
        add(&mut self.own);
        if detected.certain || state.attribution() == Attribution::Certain {
            add(&mut self.certain);
        }
        self.offense(scoring, state, target)
    }

    /// Returns the attribution of an offense, if the score is that of a scanner.
    pub(super) fn offense(
        &self,
        scoring: &Scoring,
        state: &RequestState,
        target: Target,
    ) -> Option<Attribution> {
        if self.certain >= scoring.ban_at {
            return Some(Attribution::Certain);
        }
        let path = state.path_hash() ^ u64::from(target.query());
        (self.own >= scoring.ban_at).then_some(Attribution::Forgeable { path })
    }

    /// Returns the time until the total falls below the threshold. `None` if it is below.
    pub(super) fn high_for(&self, scoring: &Scoring) -> Option<Duration> {
        scoring.high_for(self.total)
    }

    /// Returns `true` if the client behaves as people do, so that the pages it requests exist.
    pub(super) fn is_honest(&self) -> bool {
        let (served, missing) = Self::HONEST;
        let history = &self.history;
        let others = history.missing.bits() + history.catch_all.bits();
        history.served.bits() >= served && others < missing
    }

    pub(super) fn apply_decay(&mut self, scoring: &Scoring, now: Now) {
        let left = decay(now.mono().saturating_sub(self.at), scoring.half_life);
        self.at = self.at.max(now.mono());
        self.total *= left;
        self.own *= left;
        self.certain *= left;
        self.history.decay(left, scoring.period(now));
        if self.total < 1.0 {
            self.seen = 0;
        }
    }
}
