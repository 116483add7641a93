//! Scanner detection by scoring.
//!
//! Each request can match signals ([`Signals`]), in its head or in its response. A signal adds its
//! weight to the score of the client, which decays with a half-life. From a score of `ban_at`, a
//! request with a signal is an offense:
//! 1. [`Attribution::Certain`] if exchanges that no page can cause reach `ban_at` by themselves;
//! 2. otherwise [`Attribution::Forgeable`], so that a ban takes three different targets.
//!
//! Requests that a page of another origin caused, by the report of the browser, are scored and are no
//! offense: a client can make that report, too. While a score is `ban_at` or more, requests with such a
//! report, and requests for pages that the service did not serve lately to any client, are denied with
//! 429 ([`Scan::RESTRICTED`]). So the visitor of a hostile page keeps the pages of the service, and a
//! scanner that imitates a visitor gets no other. The same holds for clients in good standing
//! ([`BanArbiter`](crate::BanArbiter)), which are not banned.
//!
//! Requests with a method that the policy or the service does not offer are not scored, and neither are
//! those of clients that are never banned ([`gabion_core::ClientIp::exempt_from_bans`]), allowed or
//! already banned.
//!
//! A probe that the service answers with success or an error of its own is reported
//! ([`Findings::probe_hit`]), unless the service gives that response to any path ([`Scores`]). Gateway
//! errors (502, 503, 504) are no answers of the service.
//!
//! # Limits
//!
//! A request that an earlier inspector denies matches signals by its denial, not by its head.
//! Repeated attempts to log in are requests for one path: they raise the score, but only a
//! [`Limit`](crate::Limit) bounds their number. A service that redirects every unknown path, or answers
//! each with another length or none, hides missing pages. The length of a response to HEAD is that of its
//! `Content-Length`.

mod config;
mod distinct;
mod exchange;
mod health;
mod scores;
mod scoring;
mod signal;
mod target;
#[cfg(test)]
mod tests;
mod uniform_responses;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use gabion_core::{
    Attribution, Cause, ClientKey, Denial, Explanation, Facts, Findings, Inspect, Mode, Needs,
    Offense, Outcome, Reason, RequestState, RuleId, Slot, Verdict,
};
use http::{Method, StatusCode};

use crate::{
    Ban, Config, ConfigErrors, ConfigPath, Context, Problem, page::MIN_PAGE, protocol::NOT_SCORED,
};
use exchange::Answer;
use scores::ClientScore;
use scoring::Scoring;
use signal::{Detector, RequestFeatures};
use target::Target;

pub use config::ScanConfig;
pub use scores::{Scores, Signals};

/// Scores clients that behave like scanners. Compiled from [`ScanConfig`]; its state is in
/// [`Scores`].
///
/// # Cost
///
/// A pass over the user agent, the path and the query, one lookup per segment of each view of the path,
/// and one sharded lock per exchange, none for a page that the client was served lately. No allocation for a
/// known client.
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
/// let scanner = OwnedHead::get("/.env").header("user-agent", "Mozilla/5.0 sqlmap/1.8");
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
    /// The keys of the request's target.
    target: Slot,
}

// === impl Scan ===

impl Scan {
    /// The id of the rule that bans.
    pub const RULE: RuleId = RuleId::builtin("scan");

    /// The id of the rule that denies requests for unknown pages while the score of the client is high.
    pub const RESTRICTED: RuleId = RuleId::builtin("scan/restricted");

    /// The names of deny rules whose matches are probes wherever they are served.
    const PROBES: &str = "never/";

    /// Returns `true` if the exchange is scored.
    fn is_scored(state: &RequestState, signals: u64, outcome: &Outcome<'_>) -> bool {
        let is_own = |rule: &RuleId| [Ban::LIST, Ban::TIMED, Self::RESTRICTED].contains(rule);
        let is_scored = match outcome.denial {
            Some(denial) => {
                let rule = &denial.cause.rule;
                !is_own(rule) && !NOT_SCORED.contains(&rule.as_str())
            }
            None => {
                signals & exchange::JUDGED != 0 && !signal::method::is_not_offered(state, outcome)
            }
        };
        is_scored && state.client().exempt_from_bans().is_none()
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
            target: context.assign_slot(),
        })
    }
}

impl Inspect for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn needs(&self) -> Needs {
        Needs::REQUESTS | Needs::RESPONSES | Needs::HEADERS
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        let last = facts.path.last_segment();
        let probe = signal::probe::cause(facts, last);
        let features = RequestFeatures::new(facts, probe.is_some());
        let mut bits = exchange::JUDGED;
        for (at, signal) in signal::ALL.iter().enumerate() {
            if matches!(signal.detector, Detector::Head { matches, .. } if matches(&features)) {
                bits |= 1 << at;
            }
        }
        if signal::injection::is_injection(facts) {
            bits |= exchange::INJECTION;
        }
        if bits & (signal::ALONE | exchange::INJECTION) != 0 {
            state.mark_suspicious();
        }
        if bits & signal::COMBINED != 0 {
            bits |= exchange::TOOL;
        }
        if features.is_named() {
            bits |= exchange::NAMED;
        }
        if signal::asset::is_asset(facts, last) {
            bits |= exchange::ASSET;
        }
        if let Some(cause) = probe.or_else(|| signal::leftover::cause(facts, last)) {
            state.mark_probe(cause);
        }
        let target = Target::new(facts, last);
        state.set_slot(self.signals, bits);
        state.set_slot(self.target, target.packed());
        if self.scores.may_be_high(facts.now) {
            return self.restrict(facts, state, target);
        }
        Verdict::Pass
    }

    /// Adds the signals in the head with their weights, and the score of the client so far. Signals in
    /// responses are not known.
    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        let verdict = self.inspect(facts, state);
        steps.note(self.name(), &verdict);
        let score = self.scores.clients.get(state.client().into());
        let score = score.map(|mut score| {
            score.apply_decay(&self.scoring, state.now());
            score.total
        });
        let details = self.scoring.details(state.slot(self.signals), score);
        for detail in details {
            steps.add_detail(detail);
        }
        verdict
    }

    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>, findings: &mut Findings) {
        let signals = state.slot(self.signals);
        let target = Target::unpack(state.slot(self.target));
        let answer = self.answer(state, (signals, target), outcome);
        if Self::is_scored(state, signals, outcome)
            && let Some(offense) = self.score(state, (signals, target), (outcome, answer))
        {
            findings.report_offense(offense);
        }
        if let Some(cause) = self.probe_hit(state, outcome) {
            findings.report_probe_hit(cause);
        }
    }
}

impl Scan {
    /// Denies some requests of a client whose score is high:
    /// 1. those of which the browser reports that a page of another origin caused them;
    /// 2. those for pages that are not known, unless only requests of the first kind raised the score, and
    ///    the browser reports that a page of this origin, or a person, caused it.
    fn restrict(&self, facts: &Facts<'_>, state: &RequestState, target: Target) -> Verdict {
        let is_cross_site = facts.reports_cross_site();
        let is_known = || {
            facts.path.raw() == b"/"
                || signal::asset::is_asset(facts, facts.path.last_segment())
                || self.scores.known_pages.contains(target.page().into())
        };
        if !is_cross_site && is_known() || state.client().exempt_from_bans().is_some() {
            return Verdict::Pass;
        }
        let Some(mut score) = self.scores.clients.get(state.client().into()) else {
            return Verdict::Pass;
        };
        score.apply_decay(&self.scoring, state.now());
        let Some(wait) = score.high_for(&self.scoring) else {
            return Verdict::Pass;
        };
        let offense = score.offense(&self.scoring, state, target);
        let why = if is_cross_site {
            "its browser reports that a page of another origin caused the request"
        } else if offense.is_some() || !facts.reports_same_site() {
            "the service did not serve this page lately"
        } else {
            return Verdict::Pass;
        };
        let reason = format!("the client scans ({}), and {why}", score.signals());
        let cause = Cause::new(Self::RESTRICTED, Reason::Other(reason.into()));
        let offense = offense.filter(|_| facts.attribution() != Attribution::CrossSite);
        let offense = offense.map(|attribution| self.offense(&score, attribution));
        let denial = Denial::new(cause, StatusCode::TOO_MANY_REQUESTS)
            .with_retry_after(wait.max(Duration::from_secs(1)))
            .with_mode(self.mode);
        Denial { offense, ..denial }.into()
    }

    /// Records what a response shows of the service, and returns its meaning.
    fn answer(
        &self,
        state: &RequestState,
        (signals, target): (u64, Target),
        outcome: &Outcome<'_>,
    ) -> Answer {
        if signals & exchange::JUDGED == 0 {
            return Answer::Other;
        }
        let Scores {
            uniform_responses,
            known_pages,
            health,
            ..
        } = &*self.scores;
        let (client, now) = (state.client().key(), state.now());
        let is_known = known_pages.contains(target.page().into());
        if !is_known || state.is_suspicious() {
            uniform_responses.record(state, target, signals, outcome);
        }
        match Answer::by_status(state, signals, outcome) {
            Answer::Served if is_known => {
                health.record_success(client, now);
                Answer::Served
            }
            Answer::Served => {
                health.record_success(client, now);
                let is_long = outcome.length.is_some_and(|length| length >= MIN_PAGE);
                let is_page = matches!(*state.method(), Method::GET | Method::HEAD)
                    && signals & exchange::ASSET == 0
                    && is_long;
                if is_page && uniform_responses.is_uniform(outcome) {
                    let shape = uniform_responses::hash(outcome);
                    return Answer::CatchAll { shape };
                }
                // Some services answer HEAD for any path, without content or its length.
                let is_shown = *state.method() != Method::HEAD || is_long;
                if is_shown && !state.is_suspicious() {
                    known_pages.insert(target.page().into());
                }
                Answer::Served
            }
            Answer::Missing if is_known => Answer::Other,
            Answer::Error => {
                health.record_error(client, now);
                let is_own = is_known && health.serves_others(client, now);
                if is_own { Answer::Error } else { Answer::Other }
            }
            answer => answer,
        }
    }

    /// Adds the exchange to the score of its client. Returns the offense that it makes, if any.
    fn score(
        &self,
        state: &RequestState,
        request: (u64, Target),
        (outcome, answer): (&Outcome<'_>, Answer),
    ) -> Option<Offense> {
        let (signals, target) = request;
        let visit = (answer == Answer::Served
            && signals & (exchange::ASSET | scoring::COUNTS_WHEN_SERVED) == 0)
            .then(|| scores::visit(state.client(), target, self.scoring.period(state.now())));
        if visit.is_some_and(|visit| self.scores.visits.contains(visit)) {
            return None;
        }
        let client = ClientKey::from(state.client());
        let is_catch_all = matches!(answer, Answer::CatchAll { .. });
        let (offense, high_for, shows_page) = self.scores.clients.update(client, |score| {
            let attribution = score.add(&self.scoring, state, request, (outcome, answer));
            (
                attribution.map(|attribution| self.offense(score, attribution)),
                score.high_for(&self.scoring),
                is_catch_all && score.is_honest(),
            )
        });
        if let Some(wait) = high_for {
            self.scores
                .set_high(state.now().mono().saturating_add(wait));
        }
        if shows_page {
            self.scores.known_pages.insert(target.page().into());
        }
        if let Some(visit) = visit {
            self.scores.visits.insert(visit);
        }
        offense
    }

    /// Returns an offense whose reason names the signals.
    fn offense(&self, score: &ClientScore, attribution: Attribution) -> Offense {
        // Enough for several names, so that it does not grow.
        let mut reason = String::with_capacity(64);
        // Writing to a string does not fail.
        let _ = write!(reason, "{}", score.signals());
        Offense::certain(Self::RULE, self.ban_for)
            .with_attribution(attribution)
            .with_mode(self.mode)
            .with_reason(reason)
    }

    /// Returns the cause of a probe that the service answered with success or an error of its own, as it
    /// does not answer any path.
    fn probe_hit(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Cause> {
        let is_gateway_error = matches!(
            outcome.status,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        );
        let found = outcome.status.is_success() || outcome.status.is_server_error();
        if !found || is_gateway_error || outcome.denial.is_some() {
            return None;
        }
        let is_probe = |cause: &&Cause| {
            cause.view.is_some()
                && !matches!(cause.reason, Reason::Malformed(_))
                && cause.rule.as_str().starts_with(Self::PROBES)
        };
        let observed = state
            .observed()
            .iter()
            .map(|denial| &denial.cause)
            .find(is_probe);
        let cause = observed.or_else(|| state.probe())?;
        (!self.scores.uniform_responses.is_uniform(outcome)).then(|| cause.clone())
    }
}
