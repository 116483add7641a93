//! Explains the judgment of a request in full, and finds the exception that would let it pass.

mod exception;
mod rules;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

use gabion_core::{
    ClientHop, Denial, Escaped, Facts, HopRole, Mode, Now, PolicySource as _, Snapshot, Verdict,
};
use serde::{Deserialize, Serialize};

use crate::{Explained, PolicyHandle, SampleRequest, sample::explain};

pub use exception::OfferedException;
pub use rules::ConsultedRule;

/// The deny rules that a [`RequestExplanation`] lists. By default those that match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleSelection {
    /// The rules that match.
    #[default]
    Matching,
    /// All rules.
    All,
    /// The rule with this id, and the rules that match.
    Rule(String),
}

/// A judgment of a request as text values, for terminals and JSON.
///
/// Values that the request chose are escaped ([`Escaped`]). `Display` prints it for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestExplanation {
    /// The method and the target.
    pub request: String,
    /// The client's address.
    pub client: String,
    /// The network that counts as this client.
    pub client_network: String,
    /// The derivation of the client: the peer first, then each entry of the forwarding header.
    pub hops: Vec<ExplainedHop>,
    /// The reason why the client is never banned; `None` if it may be.
    pub exempt_from_bans: Option<String>,
    /// The views of the path, the path as sent first.
    pub views: Vec<ExplainedView>,
    /// The error of a malformed path.
    pub malformed: Option<String>,
    /// The verdicts of the inspectors, in order.
    pub steps: Vec<ExplainedStep>,
    /// The number of deny rules.
    pub deny_rules: usize,
    /// The deny rules that [`RuleSelection`] selects.
    pub rules: Vec<ConsultedRule>,
    /// The denials in observe mode.
    pub observed: Vec<String>,
    /// The verdict as configured.
    pub verdict: String,
    /// `true` if that is a denial.
    pub is_denied: bool,
    /// The verdict if all rules in observe mode were enforced.
    pub verdict_if_enforced: String,
    /// The exception that lets the request pass; `None` if it passes, or if none was found.
    pub exception: Option<OfferedException>,
}

/// A hop between the socket and the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExplainedHop {
    /// The origin of the address: `peer`, or the name of a header.
    pub source: String,
    /// The address; `None` if the entry is not one.
    pub address: Option<String>,
    /// The use of the hop, and why.
    pub role: String,
}

/// A view of the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExplainedView {
    /// The path, escaped.
    pub path: String,
    /// The transformations that produced it.
    pub transformations: String,
}

/// The verdict of an inspector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExplainedStep {
    /// The inspector's name.
    pub inspector: String,
    /// Its verdict.
    pub verdict: String,
    /// Details, such as the signals of a scanner with their weights.
    pub notes: Vec<String>,
}

// === impl PolicyHandle ===

impl PolicyHandle {
    /// Judges `request` by the policy in force, as if it came at the time `now`, and explains the judgment.
    ///
    /// Limits, scores and bans are read, not changed.
    ///
    /// # Cost
    ///
    /// Not for the request path: each deny rule is compiled alone, up to 2,000 of them, and the policy
    /// once per exception that is tried, at most five times.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, SystemTime}};
    /// # use gabion_core::{Event, Now, Sink};
    /// use gabion_policy::{PolicyHandle, PolicyOptions, RuleSelection, SampleRequest};
    /// # struct NoEvents;
    /// # impl Sink for NoEvents {
    /// #     fn record(&self, _: &Event) {}
    /// # }
    ///
    /// let options = PolicyOptions::new(Arc::new(NoEvents));
    /// let policy = PolicyHandle::from_document("version = 1\npacks = ['never']\n", "policy.toml", options)?;
    /// let now = Now::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
    ///
    /// let request = SampleRequest::new("/docs/.env").unwrap();
    /// let explained = policy.explain(&request, now, &RuleSelection::Matching);
    /// assert!(explained.is_denied);
    /// assert_eq!(explained.exception.unwrap().snippet, "[allow]\npaths = [\"/docs/.env\"]\n");
    /// # Ok::<(), gabion_policy::PolicyError>(())
    /// ```
    pub fn explain(
        &self,
        request: &SampleRequest,
        now: Now,
        selection: &RuleSelection,
    ) -> RequestExplanation {
        let (snapshot, document) = self.in_force();
        let facts = request.facts(&snapshot, now);
        let explained = explain(&snapshot, request, now);
        let objection = objection(&explained);
        let exception = objection.and_then(|denial| {
            exception::find(self, &document, request, (&facts, denial, &explained))
        });
        let consulted = rules::consult(&document, &facts, selection);
        RequestExplanation {
            request: format!(
                "{} {}",
                Escaped(facts.method.as_str().as_bytes()),
                Escaped(facts.uri.to_string().as_bytes())
            ),
            client: facts.client.to_string(),
            client_network: facts.client.network().to_string(),
            hops: hops(&snapshot, &facts),
            exempt_from_bans: facts.client.exempt_from_bans().map(str::to_owned),
            views: views(&facts),
            malformed: facts.path.malformed().map(|error| error.to_string()),
            steps: steps(&explained),
            deny_rules: consulted.total,
            rules: consulted.rules,
            observed: explained.observed.iter().map(ToString::to_string).collect(),
            verdict: explained.verdict.to_string(),
            is_denied: explained.verdict.refuses(),
            verdict_if_enforced: if_enforced(&explained).to_string(),
            exception,
        }
    }

    /// The policy in force with its document.
    fn in_force(&self) -> (Arc<Snapshot>, Arc<crate::Document>) {
        loop {
            let snapshot = self.current();
            let document = self.document();
            if Arc::ptr_eq(&snapshot, &self.current()) {
                return (snapshot, document);
            }
        }
    }
}

/// The first denial, enforced or observed.
fn objection(explained: &Explained) -> Option<&Denial> {
    match &explained.verdict {
        Verdict::Deny(denial) => Some(denial),
        Verdict::Pass | Verdict::Allow(_) => explained.observed.first(),
    }
}

/// The verdict if all rules in observe mode were enforced: the first denial decides then.
fn if_enforced(explained: &Explained) -> Verdict {
    match explained.observed.first() {
        Some(denial) => denial.clone().with_mode(Mode::Enforce).into(),
        None => explained.verdict.clone(),
    }
}

fn hops(snapshot: &Snapshot, facts: &Facts<'_>) -> Vec<ExplainedHop> {
    let derivation = snapshot.client.derive(facts.peer, facts.headers);
    let header = derivation.header.name();
    let peer_role = match (derivation.is_peer_trusted, derivation.hops.is_empty()) {
        (false, true) => "the client: not a trusted proxy".to_owned(),
        (false, false) => format!("the client: not a trusted proxy, so {header} is ignored"),
        (true, true) if facts.client.is_unknown() => {
            format!("a trusted proxy, but {header} has no entry: the client is unknown")
        }
        (true, true) => format!("a trusted proxy without {header}: itself the client"),
        (true, false) => format!("a trusted proxy: {header} is read from the right"),
    };
    let peer = ExplainedHop {
        source: "peer".to_owned(),
        address: Some(derivation.peer.to_string()),
        role: peer_role,
    };
    let named = derivation.hops.iter().map(|hop| ExplainedHop {
        source: header.to_owned(),
        address: hop.addr.map(|addr| addr.to_string()),
        role: hop_role(hop, derivation.is_peer_trusted).to_owned(),
    });
    [peer].into_iter().chain(named).collect()
}

const fn hop_role(hop: &ClientHop, is_peer_trusted: bool) -> &'static str {
    match hop.role {
        HopRole::Client if hop.is_trusted => "the client: a trusted proxy, but the last entry read",
        HopRole::Client => "the client: not a trusted proxy",
        HopRole::Passed if hop.is_trusted => "a trusted proxy: the next entry is read",
        HopRole::Passed => "within the configured number of hops: the next entry is read",
        HopRole::Unknown if hop.addr.is_none() => "not an address: the client is unknown",
        HopRole::Unknown => "too many hops: the client is unknown",
        HopRole::Ignored if is_peer_trusted => {
            "not read: behind the client, which may have written it"
        }
        _ => "not read: the peer is not a trusted proxy, and may have written it",
    }
}

fn views(facts: &Facts<'_>) -> Vec<ExplainedView> {
    let views = facts.path.iter().map(|view| ExplainedView {
        path: Escaped(view.path).to_string(),
        transformations: view.transformations.to_string(),
    });
    views.collect()
}

fn steps(explained: &Explained) -> Vec<ExplainedStep> {
    let steps = explained.steps.steps().iter().map(|step| ExplainedStep {
        inspector: step.inspector.to_owned(),
        verdict: step.verdict.to_string(),
        notes: step.notes.clone(),
    });
    steps.collect()
}
