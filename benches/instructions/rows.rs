//! What is counted.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use gabion::{
    Facts, Inspect, Mode, RequestState, Verdict,
    ban::List,
    client::ClientRules,
    deny::DenyRule,
    inspect::{Config as _, Context, PathViews, State},
    limit::{LimitRule, LimitTable},
    scan::{ScanConfig, Scores},
};
use gabion_benches::{
    Numbers,
    asked::{self, Path},
    reference,
    space::{Space, within},
};
use gabion_inspect::IpRanges;
use gabion_testkit::OwnedHead;

use crate::{
    callgrind::count,
    whole::{bare, chain, ping, reload, text},
};

/// A hot path, by its name.
pub(crate) struct Row(pub(crate) &'static str, RequestEventKind);

/// What is done.
#[derive(Clone, Copy)]
enum RequestEventKind {
    /// The client is found, where this is the peer.
    Client(&'static str),
    Views(Path),
    /// Addresses are looked up that are in the set or are not.
    Networks(Space, bool),
    Deny(Path),
    Limit,
    Scan(Path),
    Bare,
    Chain(Path),
    Text,
    Ping,
    Reload,
}

pub(crate) static ROWS: [Row; 20] = [
    Row(
        "client: known peer",
        RequestEventKind::Client("203.0.113.9"),
    ),
    Row(
        "client: behind a proxy",
        RequestEventKind::Client("127.0.0.1"),
    ),
    Row("path: plain", RequestEventKind::Views(Path::Plain)),
    Row("path: encoded", RequestEventKind::Views(Path::Encoded)),
    Row("path: hostile", RequestEventKind::Views(Path::Hostile)),
    Row(
        "networks: IPv4, found",
        RequestEventKind::Networks(Space::V4, true),
    ),
    Row(
        "networks: IPv4, missed",
        RequestEventKind::Networks(Space::V4, false),
    ),
    Row(
        "networks: IPv6, found",
        RequestEventKind::Networks(Space::V6, true),
    ),
    Row(
        "networks: IPv6, missed",
        RequestEventKind::Networks(Space::V6, false),
    ),
    Row("deny: passes", RequestEventKind::Deny(Path::Plain)),
    Row("deny: denied", RequestEventKind::Deny(Path::Denied)),
    Row("limit: known client", RequestEventKind::Limit),
    Row("scan: clean", RequestEventKind::Scan(Path::Plain)),
    Row("scan: probe", RequestEventKind::Scan(Path::Hostile)),
    Row("chain: bare service", RequestEventKind::Bare),
    Row("chain: clean request", RequestEventKind::Chain(Path::Plain)),
    Row("chain: denied probe", RequestEventKind::Chain(Path::Denied)),
    Row("message: text of 1 KiB", RequestEventKind::Text),
    Row("message: ping", RequestEventKind::Ping),
    Row("policy: reload", RequestEventKind::Reload),
];

// === impl Row ===

impl Row {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ROWS.iter().find(|row| row.0 == name)
    }

    /// How many things it does: of what is drawn, many.
    pub(crate) const fn things(&self) -> usize {
        match self.1 {
            RequestEventKind::Reload => 1,
            _ => 1_000,
        }
    }

    pub(crate) fn run(&self) {
        let things = self.things();
        match self.1 {
            RequestEventKind::Client(peer) => client(things, peer),
            RequestEventKind::Views(path) => views(things, path),
            RequestEventKind::Networks(space, found) => networks(things, space, found),
            RequestEventKind::Deny(path) => deny(things, path),
            RequestEventKind::Limit => limit(things),
            RequestEventKind::Scan(path) => scan(things, path),
            RequestEventKind::Bare => bare(things),
            RequestEventKind::Chain(path) => chain(things, path),
            RequestEventKind::Text => text(things),
            RequestEventKind::Ping => ping(things),
            RequestEventKind::Reload => reload(things),
        }
    }
}

// === what rows do ===

/// A browser behind a balancer, which is believed, or itself the peer.
fn browser(path: &str) -> OwnedHead {
    OwnedHead::of(asked::page(path).body(()).unwrap()).header("x-forwarded-for", reference::CLIENT)
}

fn client(things: usize, peer: &str) {
    let trusted = ["127.0.0.0/8".parse().unwrap()];
    let rules = ClientRules::default().with_trusted(trusted).unwrap();
    let head = browser("/").from(peer);
    let facts = head.facts(&rules);
    let known: IpAddr = reference::CLIENT.parse().unwrap();
    count(things, || {
        let clients = (0..things).map(|_| rules.resolve(facts.peer, facts.headers));
        clients.filter(|client| client.addr() == known).count()
    });
}

fn views(things: usize, path: Path) {
    let mut numbers = Numbers::of(1);
    let paths: Vec<_> = (0..things).map(|_| path.draw(&mut numbers)).collect();
    count(things, || {
        let views = paths.iter().map(|path| PathViews::new(path.as_bytes()));
        views.filter(|views| views.iter().next().is_some()).count()
    });
}

fn networks(things: usize, space: Space, found: bool) {
    let mut numbers = Numbers::of(1);
    let networks = space.networks(reference::NETWORKS, &mut numbers);
    let text: Vec<_> = networks.iter().map(ToString::to_string).collect();
    let lists = [List::parse("list", &text.join("\n")).unwrap()];
    let ranges = IpRanges::build(&lists).unwrap();
    let mut asked = Vec::new();
    while asked.len() < things {
        let mut addr = space.addr(&mut numbers);
        if found {
            addr = within(networks[numbers.below(networks.len())], addr);
        }
        if ranges.holds(addr) == found {
            asked.push(addr);
        }
    }
    count(things, || {
        let answers = asked.iter().map(|addr| ranges.find(*addr).is_some());
        answers.filter(|answer| *answer == found).count()
    });
}

fn deny(things: usize, path: Path) {
    let rule = |(nth, (exact, below)): (usize, (String, String))| {
        let exact = DenyRule::new(format!("exact-{nth}")).exact([exact]);
        [exact, DenyRule::new(format!("below-{nth}")).prefix([below])]
    };
    let rules = reference::paths().enumerate().flat_map(rule);
    let php = DenyRule::new("php").extensions(["php"]);
    let rules: Vec<_> = std::iter::once(php).chain(rules).collect();
    let deny = rules.compile(&Context::new(&State::scratch())).unwrap();
    let passes = path != Path::Denied;
    judged(things, path, |facts, state| {
        (deny.inspect(facts, state) == Verdict::Pass) == passes
    });
}

fn limit(things: usize) {
    let table = Arc::new(LimitTable::new(LimitTable::CAPACITY));
    let rate = NonZeroU32::new(1_000_000).unwrap();
    let rule = LimitRule::new("per-client", format!("{rate}/s").parse().unwrap());
    let limit = [rule.mode(Mode::Enforce)]
        .compile(&Context::new(&State::scratch().with_limits(table)))
        .unwrap();
    judged(things, Path::Plain, |facts, state| {
        limit.inspect(facts, state) == Verdict::Pass
    });
}

fn scan(things: usize, path: Path) {
    let scores = Arc::new(Scores::new(1_000));
    let first = Duration::from_mins(10);
    let scan = ScanConfig::default()
        .compile(&Context::new(&State::scratch().with_scores(scores)).with_ban_for(first))
        .unwrap();
    judged(things, path, |facts, state| {
        scan.inspect(facts, state) == Verdict::Pass
    });
}

/// Has one inspector judge requests of one client, each as it ought to.
fn judged(things: usize, path: Path, judge: impl Fn(&Facts<'_>, &mut RequestState) -> bool) {
    let mut numbers = Numbers::of(1);
    let heads = (0..things).map(|_| browser(&path.draw(&mut numbers)));
    let heads: Vec<_> = heads.collect();
    let rules = ClientRules::default();
    let facts: Vec<_> = heads.iter().map(|head| head.facts(&rules)).collect();
    let mut state = RequestState::new(&facts[0]);
    count(things, || {
        let as_meant = facts.iter().filter(|facts| judge(facts, &mut state));
        as_meant.count()
    });
}
