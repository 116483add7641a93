//! Scores clients that behave like scanners.
//!
//! Each request may give signals ([`Signals`]), from its head or from how it was answered. A signal
//! adds its weight to the client's score; a score halves with time. At `ban_at` a request with a
//! signal is an offense:
//! 1. [`Attribution::Certain`] where what no page can make a browser send weighs that much by itself;
//! 2. else [`Attribution::Forgeable`], so that three different paths are needed.
//!
//! What a page of another origin made a browser ask for is not scored, nor is who is exempt
//! ([`gabion_core::ClientIp::exempt`]), allowed, or banned already.
//!
//! Nothing is refused here. A probe that the service answers with 2xx or 5xx is told of
//! ([`Inspect::probe_hit`]), unless the service answers anything like that ([`Scores`]).
//!
//! # Limits
//!
//! Of a request that is refused before it gets here the head gives no signal, the refusal does. A
//! login tried again and again is one path: it gets a score, and as many tries as a limit leaves it.

mod answers;
mod config;
mod score;
mod signal;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use gabion_core::{
    Attribution, Cause, Facts, Inspect, Mode, Now, Offense, Outcome, Reason, RequestState, RuleId,
    Verdict,
};
use ipnet::IpNet;

use crate::{
    Ban, Config, ConfigErrors, ConfigPath, Context, Problem, bounded_map::BoundedMap,
    network::Network,
};
use answers::Answers;
use score::{Record, Scale};
use signal::{Look, Sign};

pub use config::ScanConfig;
pub use score::Signals;

/// Scores clients. Compiled from [`ScanConfig`]; what it learns is in [`Scores`].
///
/// # Cost
///
/// Two passes over the agent, one look-up per segment of each view of the path, and two sharded
/// locks per exchange. No allocation for a known client.
#[derive(Debug)]
pub struct Scan {
    scale: Scale,
    ban_for: Duration,
    mode: Mode,
    scores: Arc<Scores>,
}

/// What is known of clients, and of how the service answers. Shared by every thread, kept across
/// reloads.
///
/// A service that answers anything alike (a page that routes by itself, an error page with status
/// 200) is told apart: an answer with the same status and length as for three different paths is
/// nothing that a probe has found. Where lengths are not known, only three probes tell.
///
/// # Capacity
///
/// Of the clients beyond it, those are forgotten who come least. An entry takes about 120 bytes.
pub struct Scores {
    clients: BoundedMap<Network, Record>,
    answers: Answers,
}

// === impl Scan ===

impl Scan {
    /// The rule that bans.
    pub const RULE: RuleId = RuleId::builtin("scan");

    /// Whether how this ended says anything of the client.
    fn counts(state: &RequestState, outcome: &Outcome<'_>) -> bool {
        let banned = |rule: &RuleId| *rule == Ban::LIST || *rule == Ban::TIMED;
        let judged = match outcome.denial {
            Some(denial) => !banned(&denial.cause.rule),
            None => state.signals() & signal::JUDGED != 0,
        };
        judged && state.client().exempt().is_none() && state.attribution() != Attribution::CrossSite
    }
}

impl Config for ScanConfig {
    type Output = Scan;

    /// # Errors
    ///
    /// Names in [`Self::weights`] that no signal has.
    fn compile(&self, context: &Context) -> Result<Scan, ConfigErrors> {
        let known = |name: &str| signal::ALL.iter().any(|signal| signal.name == name);
        let unknown = self.weights.keys().filter(|name| !known(name));
        let refuse = |name: &String| {
            ConfigPath::new("scan", "weights").refuse(Problem::Name {
                name: name.clone(),
                why: "no signal has it",
            })
        };
        ConfigErrors::any(unknown.map(refuse).collect())?;
        Ok(Scan {
            scale: Scale::of(self),
            ban_for: self.ban_for.map_or(context.ban_for(), |period| period.0),
            mode: self.mode.unwrap_or(context.mode()),
            scores: Arc::clone(context.state().scores()),
        })
    }
}

impl Inspect for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        let look = Look::at(facts);
        let mut bits = signal::JUDGED;
        for (at, signal) in signal::ALL.iter().enumerate() {
            if matches!(signal.sign, Sign::Head { seen, .. } if seen(&look)) {
                bits |= 1 << at;
            }
        }
        if signal::asset::is_one(facts) {
            bits |= signal::ASSET;
        }
        if let Some(cause) = look.probe {
            state.mark_probe(cause);
        }
        state.set_signals(bits);
        Verdict::Pass
    }

    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        self.scores.answers.teach(state, outcome);
        if !Self::counts(state, outcome) {
            return None;
        }
        let client = Network(state.client().network());
        let attribution = self
            .scores
            .clients
            .update(client, |record| record.weigh(&self.scale, state, outcome))?;
        let offense = Offense::certain(Self::RULE, self.ban_for);
        Some(offense.with_attribution(attribution).with_mode(self.mode))
    }

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
        (!self.scores.answers.are_usual(outcome)).then(|| cause.clone())
    }
}

// === impl Scores ===

impl Scores {
    /// The scores of at most so many clients.
    pub fn new(clients: usize) -> Self {
        Self {
            clients: BoundedMap::new(clients),
            answers: Answers::new(),
        }
    }

    /// What a client's score stands on at `now`: the score as it was when it last changed, and
    /// every signal since it was nothing.
    pub fn reasons(&self, client: IpNet, now: Now) -> Option<Signals> {
        let record = self.clients.get(Network(client))?;
        (record.at <= now.mono()).then(|| record.signals())
    }
}

impl fmt::Debug for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scores")
            .field("clients", &self.clients.len())
            .finish_non_exhaustive()
    }
}
