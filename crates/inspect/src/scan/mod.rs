//! Scores clients that behave like scanners.
//!
//! Each request may give signals ([`Signals`]), from its head or from how it was answered. A signal
//! adds its weight to the client's score; a score halves with time. At `ban_at` a request with a
//! signal is an offence:
//! 1. [`Proof::Certain`] where what no page can make a browser send weighs that much by itself;
//! 2. else [`Proof::Forgeable`], so that three different paths are needed.
//!
//! What a page of another origin made a browser ask for is not scored, nor is who is exempt
//! ([`gabion_core::ClientIp::exempt`]), allowed, or banned already.
//!
//! Nothing is refused here. A probe that the service answers with 2xx or 5xx is told of
//! ([`Inspect::reached`]), unless the service answers anything like that ([`Scores`]).
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
    Cause, Facts, Inspect, Mode, Now, Offence, Outcome, Proof, Reason, RuleId, Trace, Verdict,
};
use ipnet::IpNet;

use crate::{Ban, ConfigErrors, Place, Problem, ledger::Ledger, network::Network};
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
    clients: Ledger<Network, Record>,
    answers: Answers,
}

// === impl Scan ===

impl Scan {
    /// The rule that bans.
    pub const RULE: RuleId = RuleId::builtin("scan");

    /// Compiles `config`. Where it says nothing, it has `mode` and bans for `first`.
    ///
    /// # Errors
    ///
    /// Names in `weights` that no signal has.
    pub fn compile(
        config: &ScanConfig,
        mode: Mode,
        first: Duration,
        scores: Arc<Scores>,
    ) -> Result<Self, ConfigErrors> {
        let known = |name: &str| signal::ALL.iter().any(|signal| signal.name == name);
        let unknown = config.weights.keys().filter(|name| !known(name));
        let refuse = |name: &String| {
            Place::new("scan", "weights").refuse(Problem::Name {
                name: name.clone(),
                why: "no signal has it",
            })
        };
        ConfigErrors::any(unknown.map(refuse).collect())?;
        Ok(Self {
            scale: Scale::of(config),
            ban_for: config.ban_for.map_or(first, |period| period.0),
            mode: config.mode.unwrap_or(mode),
            scores,
        })
    }

    /// Whether how this ended says anything of the client.
    fn counts(trace: &Trace, outcome: &Outcome<'_>) -> bool {
        let banned = |rule: &RuleId| *rule == Ban::LIST || *rule == Ban::TIMED;
        let judged = match outcome.denial {
            Some(denial) => !banned(&denial.cause.rule),
            None => trace.signals() & signal::JUDGED != 0,
        };
        judged && trace.client().exempt().is_none() && trace.proof() != Proof::CrossSite
    }
}

impl Inspect for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn inspect(&self, facts: &Facts<'_>, trace: &mut Trace) -> Verdict {
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
            trace.mark_probe(cause);
        }
        trace.set_signals(bits);
        Verdict::Pass
    }

    fn learn(&self, trace: &Trace, outcome: &Outcome<'_>) -> Option<Offence> {
        self.scores.answers.teach(trace, outcome);
        if !Self::counts(trace, outcome) {
            return None;
        }
        let client = Network(trace.client().network());
        let proof = self
            .scores
            .clients
            .update(client, |record| record.weigh(&self.scale, trace, outcome))?;
        let offence = Offence::certain(Self::RULE, self.ban_for);
        Some(offence.with_proof(proof).with_mode(self.mode))
    }

    fn reached(&self, trace: &Trace, outcome: &Outcome<'_>) -> Option<Cause> {
        let found = outcome.status.is_success() || outcome.status.is_server_error();
        if !found || outcome.denial.is_some() {
            return None;
        }
        let path =
            |cause: &&Cause| cause.view.is_some() && !matches!(cause.reason, Reason::Malformed(_));
        let observed = trace
            .observed()
            .iter()
            .map(|denial| &denial.cause)
            .find(path);
        let cause = observed.or_else(|| trace.probe())?;
        (!self.scores.answers.are_usual(outcome)).then(|| cause.clone())
    }
}

// === impl Scores ===

impl Scores {
    /// The scores of at most so many clients.
    pub fn new(clients: usize) -> Self {
        Self {
            clients: Ledger::new(clients),
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
