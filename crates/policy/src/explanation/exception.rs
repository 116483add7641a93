//! The smallest exception from a policy that lets a request pass.

use std::{
    net::IpAddr,
    time::{Duration, UNIX_EPOCH},
};

use gabion_core::{Denial, Escaped, Facts, Now, Snapshot, Verdict};
use gabion_inspect::{AllowConfig, ProtocolException};
use serde::{Deserialize, Serialize};

use super::objection;
use crate::{Document, Explained, PolicyHandle, SampleRequest, sample::explain};

/// A change of a policy that lets a request pass. It was compiled and tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OfferedException {
    /// The section as TOML, with the entries that it has already.
    pub snippet: String,
    /// The requests that the change lets pass, and where it belongs.
    pub effect: String,
}

/// A change to try.
struct Candidate {
    document: Document,
    offer: OfferedException,
    scope: Scope,
}

/// The requests that an exception is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those of one client.
    Client,
    /// Those for paths below one.
    Path,
}

/// Paths that most policies deny.
const PROBES: [&str; 6] = [
    "/.env",
    "/.git/config",
    "/wp-login.php",
    "/index.php",
    "/actuator/env",
    "/%00",
];

/// Peers to try for another client: the first that is not in the client's network (RFC 5737).
const OTHERS: [[u8; 4]; 2] = [[198, 51, 100, 254], [203, 0, 113, 254]];

/// Returns the first candidate with which the request passes while an attack that is denied today is
/// still denied: another path, or, for the exception of a client, another client.
pub(super) fn find(
    policy: &PolicyHandle,
    document: &Document,
    request: &SampleRequest,
    (facts, denial, explained): (&Facts<'_>, &Denial, &Explained),
) -> Option<OfferedException> {
    let today = policy.compile_scratch(&document.to_string()).ok()?;
    let candidates = candidates(document, facts, denial, explained);
    let offered = candidates.into_iter().flatten().find(|candidate| {
        let changed = policy.compile_scratch(&candidate.document.to_string());
        changed.is_ok_and(|changed| is_precise(candidate.scope, request, facts, &today, &changed))
    });
    offered.map(|candidate| candidate.offer)
}

/// Returns `true` if the request passes with the policy `changed`, and every attack of [`siblings`] that
/// `today` denies is still denied.
pub(super) fn is_precise(
    scope: Scope,
    request: &SampleRequest,
    facts: &Facts<'_>,
    today: &Snapshot,
    changed: &Snapshot,
) -> bool {
    let now = Now::new(Duration::ZERO, UNIX_EPOCH);
    let denies = |snapshot: &Snapshot, request: &SampleRequest| {
        objection(&explain(snapshot, request, now)).is_some()
    };
    let verdict = explain(changed, request, now);
    // Bans and limits of the running state are not in the scratch state, but behind the allow list.
    let is_allowed = matches!(verdict.verdict, Verdict::Allow(_));
    if objection(&verdict).is_some() || scope == Scope::Client && !is_allowed {
        return false;
    }
    let siblings = siblings(scope, request, facts);
    let mut attacks = siblings.iter().filter(|sibling| denies(today, sibling));
    attacks.all(|sibling| denies(changed, sibling))
}

/// Attacks that differ from the request in what the exception is for: the path or the client.
fn siblings(scope: Scope, request: &SampleRequest, facts: &Facts<'_>) -> Vec<SampleRequest> {
    let path = String::from_utf8_lossy(facts.path.raw()).into_owned();
    let canonical = String::from_utf8_lossy(&facts.path.canonical()).into_owned();
    let is_exempt =
        |probe: &str| probe.starts_with(path.as_str()) || probe.starts_with(canonical.as_str());
    let below = format!("/gabion-sibling{path}");
    let other = OTHERS
        .map(IpAddr::from)
        .into_iter()
        .find(|addr| !facts.client.network().contains(addr));
    let paths = [below.as_str()].into_iter().chain(PROBES);
    match (scope, other) {
        (Scope::Path, _) => paths
            .filter(|probe| !is_exempt(probe))
            .filter_map(|probe| request.clone().with_target(probe).ok())
            .collect(),
        (Scope::Client, Some(other)) => [path.as_str()]
            .into_iter()
            .chain(paths)
            .filter_map(|probe| request.clone().with_target(probe).ok())
            .map(|request| request.without_forwarding().with_from(other))
            .collect(),
        (Scope::Client, None) => Vec::new(),
    }
}

/// The changes to try, the smallest first.
fn candidates(
    document: &Document,
    facts: &Facts<'_>,
    denial: &Denial,
    explained: &Explained,
) -> [Option<Candidate>; 3] {
    let denied_by = explained.steps.steps().iter().rev();
    let mut denied_by = denied_by.filter(|step| match &step.verdict {
        Verdict::Deny(found) => found.cause.rule == denial.cause.rule,
        Verdict::Pass | Verdict::Allow(_) => false,
    });
    let is_of_client = denied_by
        .next()
        .is_some_and(|step| matches!(step.inspector, "ban" | "limit" | "scan"));
    let path = String::from_utf8_lossy(&facts.path.canonical()).into_owned();
    [
        except_protocol(document, denial, unescaped_parent(&path)),
        (!is_of_client).then(|| allow_path(document, &path)),
        allow_client(document, facts),
    ]
}

/// The path, or else its longest parent without escapes: an exception names no path with escapes.
fn unescaped_parent(path: &str) -> &str {
    let Some(escape) = path.find('%') else {
        return path;
    };
    let before = path.get(..escape).unwrap_or_default();
    before.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn except_protocol(document: &Document, denial: &Denial, path: &str) -> Option<Candidate> {
    let rule = denial.cause.rule.as_str().parse().ok()?;
    let mut exception = ProtocolException::default();
    exception.paths = [path].into_iter().collect();
    exception.off = vec![rule];
    let body = toml::to_string(&exception).ok()?;
    let mut document = document.clone();
    document.protocol.except.push(exception);
    Some(Candidate {
        document,
        offer: OfferedException {
            snippet: format!("[[protocol.except]]\n{body}"),
            effect: format!(
                "switches off rule {rule} for {path} and everything below it; add this table"
            ),
        },
        scope: Scope::Path,
    })
}

fn allow_path(document: &Document, path: &str) -> Candidate {
    let place = place(&document.allow);
    let mut document = document.clone();
    let paths = document.allow.paths.iter().cloned();
    document.allow.paths = paths.chain([path.to_owned()]).collect();
    let shown = Escaped(path.as_bytes());
    let effect = format!("allows {shown} and everything below it for every client; {place}");
    Candidate {
        offer: OfferedException {
            snippet: section(&document.allow),
            effect,
        },
        document,
        scope: Scope::Path,
    }
}

fn allow_client(document: &Document, facts: &Facts<'_>) -> Option<Candidate> {
    let place = place(&document.allow);
    let mut document = document.clone();
    let network = facts.client.network();
    document
        .allow
        .networks
        .push(network.to_string().parse().ok()?);
    Some(Candidate {
        offer: OfferedException {
            snippet: section(&document.allow),
            effect: format!("allows every request of {network}; {place}"),
        },
        document,
        scope: Scope::Client,
    })
}

/// The place of a new section `[allow]`.
fn place(present: &AllowConfig) -> &'static str {
    if *present == AllowConfig::default() {
        "add this section"
    } else {
        "this section replaces [allow]"
    }
}

/// The section `[allow]` as TOML, without empty lists.
fn section(allow: &AllowConfig) -> String {
    let text = toml::to_string(allow).unwrap_or_default();
    let given = text.lines().filter(|line| !line.ends_with("= []"));
    let lines: Vec<_> = given.collect();
    format!("[allow]\n{}\n", lines.join("\n"))
}
