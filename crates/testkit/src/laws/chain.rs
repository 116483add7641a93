//! Laws of the whole inspection chain.

use std::{slice, sync::Arc, time::Duration};

use arbitrary::Arbitrary;
use gabion_core::{
    Denial, Explanation, Inspect, Mode, Needs, Offense, OffenseRecorder as _, PolicySource as _,
    RequestState, RuleId, Snapshot, Verdict,
};
use gabion_inspect::{Action, DenyRule, Network, ServerQuirks};
use gabion_inspect::{Config as _, Context};
use gabion_policy::{Document, PolicyHandle, PolicyOptions, State};

use super::head;
use crate::{OwnedHead, Recorder};

/// A policy, additional deny rules, and a request.
#[derive(Arbitrary, Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an input, read from bytes")]
pub struct ChainInput<'i> {
    /// The index of the policy in `POLICIES`, modulo its length.
    pub policy: u8,
    /// The index of the peer address in `PEERS`, modulo its length.
    pub peer: u8,
    /// Deny rules, one per line, such as `names .env`; an empty line; the request head.
    pub text: &'i [u8],
}

/// The maximum number of additional rules.
const MAX_ADDED: usize = 8;

const PEERS: [&str; 6] = [
    "203.0.113.9",
    "198.51.100.7",
    "192.0.2.7",
    "10.0.0.1",
    "2001:db8::9",
    "127.0.0.1",
];

const POLICIES: [&str; 4] = [
    "version = 1",
    r#"
    version = 1
    [client]
    trusted_proxies = ["10.0.0.0/8"]
    [allow]
    networks = ["192.0.2.7"]
    paths = ["/open"]
    [ban]
    networks = ["198.51.100.0/24", "2001:db8::/64"]
    [[deny]]
    id = "php"
    extensions = ["php", "phtml"]
    [[deny]]
    id = "dotfiles"
    names = [".env", ".git"]
    then = "ban 1h"
    [[deny]]
    id = "watched"
    prefix = "/public"
    mode = "observe"
    "#,
    r#"
    version = 1
    mode = "observe"
    [server]
    hosts = ["localhost", "*.example"]
    [ban]
    networks = ["198.51.100.0/24"]
    [[deny]]
    id = "admin"
    prefix = "/admin"
    mode = "enforce"
    [[deny]]
    id = "script"
    regex = "(?i)\\.(php|asp)x?$"
    then = "404"
    [[limit]]
    id = "login"
    paths = ["/login"]
    rate = "1/m"
    mode = "enforce"
    [scan]
    "#,
    r#"
    version = 1
    packs = ["never"]
    observe = ["scanners"]
    [client]
    trusted_proxies = ["10.0.0.0/8"]
    header = "forwarded"
    [server]
    behind = "spring"
    hosts = ["localhost"]
    [[limit]]
    id = "costly"
    key = ["header:x-key", "client"]
    rate = "2/s"
    cost = 2
    mode = "enforce"
    "#,
];

/// The result of a chain for one request: its verdict, and the denials of rules in observe mode.
type Judged = (Verdict, Vec<Denial>);

/// Checks that judging any request by any of these policies does not panic, and that
/// 1. the same policy with the same state gives the same verdict again, in `explain`, and if each header
///    is looked up when it is read ([`Needs::HEADERS`]);
/// 2. additional deny rules never allow more: a denied request stays denied, an allowed one allowed;
/// 3. in observe mode nothing is refused;
/// 4. a client in `[allow]` is refused for a malformed head only, and always for that.
///
/// # Panics
///
/// Panics if a law is broken.
pub fn chain(input: &ChainInput<'_>) {
    let (rules, bytes) = split(input.text);
    let Some(head) = head::owned(bytes) else {
        return;
    };
    let peer = PEERS[usize::from(input.peer) % PEERS.len()];
    let head = head.from(peer);
    let base = POLICIES[usize::from(input.policy) % POLICIES.len()];
    let base = Document::parse(base, "base.toml").expect("the constant policy is valid");
    let before = judge(&base, &head);
    assert_eq!(judge(&base, &head), before, "1: judged again");
    let direct = judge_for(&base, &head, Needs::NONE);
    assert_eq!(direct, before, "1: headers looked up one by one");
    assert_eq!(explain(&base, &head), before.0, "1: explained");

    let mut more = base.clone();
    more.deny.extend(rules);
    let after = judge(&more, &head);
    if before.0.refuses() {
        assert!(after.0.refuses(), "2: {} became {}", before.0, after.0);
    }
    if let Verdict::Allow(_) = before.0 {
        assert_eq!(after.0, before.0, "2");
    }

    let (verdict, observed) = judge(&observing(more.clone()), &head);
    assert!(!verdict.refuses(), "3: {verdict}");
    let must_observe = after.0.refuses() && !matches!(verdict, Verdict::Allow(_));
    assert!(
        !must_observe || !observed.is_empty(),
        "3: no observed denial for {}",
        after.0
    );
    allowing(more, &head);
}

/// Checks law 4 for a client with a temporary ban.
fn allowing(mut document: Document, head: &OwnedHead) {
    let snapshot = compile(&document, &State::with_capacity(4));
    let facts = head.facts(&snapshot.client);
    let client = facts.client;
    if !client.may_be_allowed() {
        return;
    }
    let network = client.addr().to_string().parse().expect("an address");
    // A policy is rejected if it bans an allowed network.
    let bans = |network: &Network| network.net().contains(&client.addr());
    document.ban.networks.retain(|network| !bans(network));
    document.allow.networks.push(network);
    let state = State::with_capacity(4);
    let offense = Offense::certain(RuleId::builtin("law"), Duration::from_mins(1));
    state.bans().record_offense(&client, &offense, facts.now);

    let allowing = compile(&document, &state);
    let verdict = allowing
        .chain
        .inspect(&facts, &mut RequestState::new(&facts));
    let mode = document.mode();
    let inspect =
        |inspector: &dyn Inspect| inspector.inspect(&facts, &mut RequestState::new(&facts));
    let protocol = document
        .protocol
        .compile(&Context::new(&State::scratch()).with_mode(mode))
        .expect("the section has compiled before");
    let malformed = match inspect(&protocol) {
        Verdict::Pass => inspect(&ServerQuirks::new(document.server.behind, mode)),
        refused => refused,
    };
    if malformed.refuses() {
        assert_eq!(verdict, malformed, "4");
    } else {
        assert!(matches!(verdict, Verdict::Allow(_)), "4: {verdict}");
    }
}

fn judge(document: &Document, head: &OwnedHead) -> Judged {
    judge_for(document, head, Needs::ALL)
}

/// Judges with the facts for inspectors with these needs.
fn judge_for(document: &Document, head: &OwnedHead, needs: Needs) -> Judged {
    let snapshot = compile(document, &State::with_capacity(4));
    let facts = head.facts_for(&snapshot.client, needs);
    let mut state = RequestState::new(&facts);
    let verdict = snapshot.chain.inspect(&facts, &mut state);
    (verdict, state.observed().to_vec())
}

fn explain(document: &Document, head: &OwnedHead) -> Verdict {
    let snapshot = compile(document, &State::with_capacity(4));
    let facts = head.facts(&snapshot.client);
    let mut steps = Explanation::default();
    snapshot
        .chain
        .explain(&facts, &mut RequestState::new(&facts), &mut steps)
}

fn compile(document: &Document, state: &State) -> Arc<Snapshot> {
    let options = PolicyOptions::new(Arc::new(Recorder::default())).with_state(state.clone());
    let policy = PolicyHandle::from_document(&document.to_string(), "policy.toml", options);
    policy.unwrap_or_else(|error| panic!("{error}")).current()
}

/// Returns the policy with all rules in observe mode.
fn observing(mut document: Document) -> Document {
    document.mode = Some(Mode::Observe);
    for rule in &mut document.deny {
        rule.mode = None;
    }
    for limit in &mut document.limit {
        limit.mode = None;
    }
    document
}

/// Splits the text into the deny rules that compile and the head.
fn split(text: &[u8]) -> (Vec<DenyRule>, &[u8]) {
    let end = text.windows(2).position(|pair| pair == b"\n\n");
    let Some(end) = end else {
        return (Vec::new(), text);
    };
    let lines = str::from_utf8(&text[..end]).unwrap_or_default().lines();
    let rules = lines
        .take(MAX_ADDED)
        .enumerate()
        .filter_map(|(index, line)| {
            let rule = rule(index, line)?;
            let alone = slice::from_ref(&rule).compile(&Context::new(&State::scratch()));
            alone.is_ok().then_some(rule)
        });
    (rules.collect(), &text[end + 2..])
}

fn rule(index: usize, line: &str) -> Option<DenyRule> {
    let (part, value) = line.split_once(' ')?;
    let rule = DenyRule::new(format!("added-{index}"));
    let rule = match part {
        "exact" => rule.exact([value]),
        "prefix" => rule.prefix([value]),
        "names" => rule.names([value]),
        "extensions" => rule.extensions([value]),
        "regex" => rule.regex([value]),
        "agents" => rule.agents([value]),
        _ => return None,
    };
    let then = [Action::Forbid, Action::NotFound, Action::Ban(None)][index % 3];
    Some(rule.then(then))
}
