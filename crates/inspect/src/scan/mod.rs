//! Scanner detection by scoring.
//!
//! Each request can match signals ([`Signals`]), in its head or in its response. A signal adds its
//! weight to the score of the client, which decays with a half-life. From a score of `ban_at`, a
//! request with a signal is an offense:
//! 1. [`Attribution::Certain`] if exchanges that no page can cause reach `ban_at` by themselves;
//! 2. otherwise [`Attribution::Forgeable`], so that a ban takes three different paths.
//!
//! Requests that a page of another origin caused are not scored, and neither are requests with a
//! method that the policy or the service does not offer, nor requests of clients that are never banned
//! ([`gabion_core::ClientIp::exempt_from_bans`]), allowed or already banned.
//!
//! This inspector denies nothing. It reports a probe that the service answers with 2xx or 5xx
//! ([`Findings::probe_hit`]), unless the service gives that response to any path ([`Scores`]).
//!
//! # Limits
//!
//! A request that an earlier inspector denies matches signals by its denial, not by its head.
//! Repeated attempts to log in are requests for one path: they raise the score, but only a
//! [`Limit`](crate::Limit) bounds their number.

mod config;
mod exchange;
mod scores;
mod scoring;
mod signal;
#[cfg(test)]
mod tests;
mod uniform_responses;

use std::{sync::Arc, time::Duration};

use gabion_core::{
    Attribution, Cause, ClientKey, Facts, Findings, Inspect, Mode, Needs, Offense, Outcome, Reason,
    RequestState, RuleId, Slot, Verdict,
};

use crate::{Ban, Config, ConfigErrors, ConfigPath, Context, Problem, protocol::NOT_SCORED};
use scoring::Scoring;
use signal::{Detector, RequestFeatures};

pub use config::ScanConfig;
pub use scores::{Scores, Signals};

/// Scores clients that behave like scanners. Compiled from [`ScanConfig`]; its state is in
/// [`Scores`].
///
/// # Cost
///
/// Two passes over the user agent, one lookup per segment of each view of the path, and two sharded
/// locks per exchange. No allocation for a known client.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use gabion_core::{ClientRules, Findings, Inspect, Outcome, RequestState};
/// use gabion_inspect::{Config, Context, ScanConfig, State};
/// # use gabion_testkit::OwnedHead;
///
/// let scan = ScanConfig::default().compile(&Context::new(&State::default()))?;
/// let offense = |head: OwnedHead| {
///     let facts = head.facts(&ClientRules::default());
///     let mut state = RequestState::new(&facts);
///     scan.inspect(&facts, &mut state);
///     let outcome = Outcome::new(http::StatusCode::NOT_FOUND, None, Duration::ZERO);
///     let mut findings = Findings::default();
///     scan.on_response(&state, &outcome, &mut findings);
///     findings.offense
/// };
/// let browser = OwnedHead::get("/old-page").header("user-agent", "Firefox").header("accept", "*/*");
/// assert!(offense(browser).is_none());
///
/// // The signals `scanner` (60), `probe` (35) and `bare` (10) reach a score of 100.
/// let scanner = OwnedHead::get("/.env").header("user-agent", "sqlmap/1.8");
/// assert_eq!(offense(scanner).unwrap().rule.as_str(), "scan");
/// # Ok::<(), gabion_inspect::ConfigErrors>(())
/// ```
#[derive(Debug)]
pub struct Scan {
    scoring: Scoring,
    ban_for: Duration,
    mode: Mode,
    scores: Arc<Scores>,
    /// The signals of the request's head, as bits.
    signals: Slot,
}

// === impl Scan ===

impl Scan {
    /// The id of the rule that bans.
    pub const RULE: RuleId = RuleId::builtin("scan");

    /// Returns `true` if the exchange is scored.
    fn is_scored(state: &RequestState, signals: u64, outcome: &Outcome<'_>) -> bool {
        let is_ban = |rule: &RuleId| *rule == Ban::LIST || *rule == Ban::TIMED;
        let is_scored = match outcome.denial {
            Some(denial) => {
                let rule = &denial.cause.rule;
                !is_ban(rule) && !NOT_SCORED.contains(&rule.as_str())
            }
            None => {
                signals & exchange::JUDGED != 0 && !signal::method::is_not_offered(state, outcome)
            }
        };
        is_scored
            && state.client().exempt_from_bans().is_none()
            && state.attribution() != Attribution::CrossSite
    }
}

impl Config for ScanConfig {
    type Output = Scan;

    /// # Errors
    ///
    /// Every key of [`Self::weights`] that is not the name of a signal.
    fn compile(&self, context: &Context) -> Result<Scan, ConfigErrors> {
        let known = |name: &str| signal::ALL.iter().any(|signal| signal.name == name);
        let unknown = self.weights.keys().filter(|name| !known(name));
        let error = |name: &String| {
            ConfigPath::new("scan", "weights").error(Problem::Name {
                name: name.clone(),
                why: "not the name of a signal",
            })
        };
        ConfigErrors::check(unknown.map(error).collect())?;
        Ok(Scan {
            scoring: Scoring::new(self),
            ban_for: self
                .ban_for
                .map_or_else(|| context.ban_for(), |period| period.0),
            mode: self.mode.unwrap_or_else(|| context.mode()),
            scores: Arc::clone(context.state().scores()),
            signals: context.assign_slot(),
        })
    }
}

impl Inspect for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn needs(&self) -> Needs {
        Needs::REQUESTS | Needs::RESPONSES
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        let probe = signal::probe::cause(facts);
        let features = RequestFeatures::new(facts, probe.is_some());
        let mut bits = exchange::JUDGED;
        for (at, signal) in signal::ALL.iter().enumerate() {
            if matches!(signal.detector, Detector::Head { matches, .. } if matches(&features)) {
                bits |= 1 << at;
            }
        }
        if signal::asset::is_asset(facts) {
            bits |= exchange::ASSET;
        }
        if let Some(cause) = probe {
            state.mark_probe(cause);
        }
        state.set_slot(self.signals, bits);
        Verdict::Pass
    }

    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>, findings: &mut Findings) {
        let signals = state.slot(self.signals);
        self.scores
            .uniform_responses
            .record(state, signals, outcome);
        if Self::is_scored(state, signals, outcome)
            && let Some(offense) = self.score(state, signals, outcome)
        {
            findings.report_offense(offense);
        }
        if let Some(cause) = self.probe_hit(state, outcome) {
            findings.report_probe_hit(cause);
        }
    }
}

impl Scan {
    /// Adds the exchange to the score of its client. Returns the offense that it makes, if any.
    fn score(&self, state: &RequestState, signals: u64, outcome: &Outcome<'_>) -> Option<Offense> {
        let client = ClientKey::from(state.client());
        let attribution = self.scores.clients.update(client, |score| {
            score.add(&self.scoring, state, signals, outcome)
        })?;
        let offense = Offense::certain(Self::RULE, self.ban_for);
        Some(offense.with_attribution(attribution).with_mode(self.mode))
    }

    /// Returns the cause of a probe that the service answered with 2xx or 5xx, as it does not answer
    /// any path.
    fn probe_hit(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Cause> {
        let found = outcome.status.is_success() || outcome.status.is_server_error();
        if !found || outcome.denial.is_some() {
            return None;
        }
        let path =
            |cause: &&Cause| cause.view.is_some() && !matches!(cause.reason, Reason::Malformed(_));
        let observed = state
            .observed()
            .iter()
            .map(|denial| &denial.cause)
            .find(path);
        let cause = observed.or_else(|| state.probe())?;
        (!self.scores.uniform_responses.is_uniform(outcome)).then(|| cause.clone())
    }
}
