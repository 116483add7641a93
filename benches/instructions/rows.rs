//! What is counted.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use gabion::{
    ClientRules, Deny, DenyRule, Facts, Inspect, IpRanges, Limit, LimitRule, LimitTable, List,
    Mode, PathViews, Scan, ScanConfig, Scores, Trace, Verdict,
};
use gabion_benches::{
    Numbers,
    asked::{self, Path},
    reference,
    space::{Space, within},
};
use gabion_testkit::HeadOf;

use crate::{
    callgrind::count,
    whole::{bare, chain, ping, reload, text},
};

/// A hot path, by its name.
pub(crate) struct Row(pub(crate) &'static str, What);

/// What is done.
#[derive(Clone, Copy)]
enum What {
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
    Row("client: known peer", What::Client("203.0.113.9")),
    Row("client: behind a proxy", What::Client("127.0.0.1")),
    Row("path: plain", What::Views(Path::Plain)),
    Row("path: encoded", What::Views(Path::Encoded)),
    Row("path: hostile", What::Views(Path::Hostile)),
    Row("networks: IPv4, found", What::Networks(Space::V4, true)),
    Row("networks: IPv4, missed", What::Networks(Space::V4, false)),
    Row("networks: IPv6, found", What::Networks(Space::V6, true)),
    Row("networks: IPv6, missed", What::Networks(Space::V6, false)),
    Row("deny: passes", What::Deny(Path::Plain)),
    Row("deny: denied", What::Deny(Path::Denied)),
    Row("limit: known client", What::Limit),
    Row("scan: clean", What::Scan(Path::Plain)),
    Row("scan: probe", What::Scan(Path::Hostile)),
    Row("chain: bare service", What::Bare),
    Row("chain: clean request", What::Chain(Path::Plain)),
    Row("chain: denied probe", What::Chain(Path::Denied)),
    Row("message: text of 1 KiB", What::Text),
    Row("message: ping", What::Ping),
    Row("policy: reload", What::Reload),
];

// === impl Row ===

impl Row {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ROWS.iter().find(|row| row.0 == name)
    }

    /// How many things it does: of what is drawn, many.
    pub(crate) const fn things(&self) -> usize {
        match self.1 {
            What::Reload => 1,
            _ => 1_000,
        }
    }

    pub(crate) fn run(&self) {
        let things = self.things();
        match self.1 {
            What::Client(peer) => client(things, peer),
            What::Views(path) => views(things, path),
            What::Networks(space, found) => networks(things, space, found),
            What::Deny(path) => deny(things, path),
            What::Limit => limit(things),
            What::Scan(path) => scan(things, path),
            What::Bare => bare(things),
            What::Chain(path) => chain(things, path),
            What::Text => text(things),
            What::Ping => ping(things),
            What::Reload => reload(things),
        }
    }
}

// === what rows do ===

/// A browser behind a balancer, which is believed, or itself the peer.
fn browser(path: &str) -> HeadOf {
    HeadOf::of(asked::page(path).body(()).unwrap()).header("x-forwarded-for", reference::CLIENT)
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
        let views = paths.iter().map(|path| PathViews::of(path.as_bytes()));
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
    let deny = Deny::compile(&rules, Mode::Enforce, Duration::from_mins(10)).unwrap();
    let passes = path != Path::Denied;
    judged(things, path, |facts, trace| {
        (deny.inspect(facts, trace) == Verdict::Pass) == passes
    });
}

fn limit(things: usize) {
    let table = Arc::new(LimitTable::new(LimitTable::CAPACITY));
    let rate = NonZeroU32::new(1_000_000).unwrap();
    let rule = LimitRule::new("per-client", format!("{rate}/s").parse().unwrap());
    let limit = Limit::compile(&[rule.mode(Mode::Enforce)], table).unwrap();
    judged(things, Path::Plain, |facts, trace| {
        limit.inspect(facts, trace) == Verdict::Pass
    });
}

fn scan(things: usize, path: Path) {
    let scores = Arc::new(Scores::new(1_000));
    let first = Duration::from_mins(10);
    let scan = Scan::compile(&ScanConfig::default(), Mode::Enforce, first, scores).unwrap();
    judged(things, path, |facts, trace| {
        scan.inspect(facts, trace) == Verdict::Pass
    });
}

/// Has one inspector judge requests of one client, each as it ought to.
fn judged(things: usize, path: Path, judge: impl Fn(&Facts<'_>, &mut Trace) -> bool) {
    let mut numbers = Numbers::of(1);
    let heads = (0..things).map(|_| browser(&path.draw(&mut numbers)));
    let heads: Vec<_> = heads.collect();
    let rules = ClientRules::default();
    let facts: Vec<_> = heads.iter().map(|head| head.facts(&rules)).collect();
    let mut trace = Trace::new(&facts[0]);
    count(things, || {
        let as_meant = facts.iter().filter(|facts| judge(facts, &mut trace));
        as_meant.count()
    });
}
