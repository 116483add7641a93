//! The rows of the instruction counts.

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
    Rng,
    callgrind::{Callgrind, count},
    networks::{AddressSpace, within},
    reference,
    requests::{self, PathKind},
};
use gabion_inspect::IpRanges;
use gabion_testkit::OwnedHead;

use crate::{
    ROW,
    end_to_end::{Pages, SingleLayer, bare, chain, layer, limit_per_peer, ping, reload, text},
};

/// A named hot path.
pub(crate) struct Row(pub(crate) &'static str, Workload);

/// The operation that a row counts.
#[derive(Clone, Copy)]
enum Workload {
    /// Resolves the client of a request from this peer.
    Client(&'static str),
    Views(PathKind),
    /// Looks up addresses, which are in the set if the flag is `true`.
    Networks(AddressSpace, bool),
    Deny(PathKind),
    Limit,
    Scan(PathKind),
    Bare,
    Chain(Pages),
    Layer(SingleLayer),
    LimitPerPeer,
    Text,
    Ping,
    Reload,
}

pub(crate) static ROWS: [Row; 27] = [
    Row("client: known peer", Workload::Client("203.0.113.9")),
    Row("client: behind a proxy", Workload::Client("127.0.0.1")),
    Row("path: plain", Workload::Views(PathKind::Plain)),
    Row("path: encoded", Workload::Views(PathKind::Encoded)),
    Row("path: hostile", Workload::Views(PathKind::Hostile)),
    Row(
        "networks: IPv4, found",
        Workload::Networks(AddressSpace::V4, true),
    ),
    Row(
        "networks: IPv4, missed",
        Workload::Networks(AddressSpace::V4, false),
    ),
    Row(
        "networks: IPv6, found",
        Workload::Networks(AddressSpace::V6, true),
    ),
    Row(
        "networks: IPv6, missed",
        Workload::Networks(AddressSpace::V6, false),
    ),
    Row("deny: passes", Workload::Deny(PathKind::Plain)),
    Row("deny: denied", Workload::Deny(PathKind::Denied)),
    Row("limit: known client", Workload::Limit),
    Row("scan: clean", Workload::Scan(PathKind::Plain)),
    Row("scan: probe", Workload::Scan(PathKind::Hostile)),
    Row("chain: bare service", Workload::Bare),
    Row("chain: clean request", Workload::Chain(Pages::Different)),
    Row("chain: page visited again", Workload::Chain(Pages::Same)),
    Row("chain: denied probe", Workload::Chain(Pages::Denied)),
    Row("layer: empty policy", Workload::Layer(SingleLayer::Empty)),
    Row("layer: ban", Workload::Layer(SingleLayer::Ban)),
    Row("layer: deny", Workload::Layer(SingleLayer::Deny)),
    Row("layer: limit", Workload::Layer(SingleLayer::Limit)),
    Row("layer: limit, without proxies", Workload::LimitPerPeer),
    Row("layer: scan", Workload::Layer(SingleLayer::Scan)),
    Row("message: text of 1 KiB", Workload::Text),
    Row("message: ping", Workload::Ping),
    Row("policy: reload", Workload::Reload),
];

// === impl Row ===

impl Row {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ROWS.iter().find(|row| row.0 == name)
    }

    /// The number of operations: many, except for the reload.
    pub(crate) const fn operations(&self) -> usize {
        match self.1 {
            Workload::Reload => 1,
            _ => 1_000,
        }
    }

    /// Counts the instructions of the row, per operation.
    pub(crate) fn count(&self, callgrind: &Callgrind) -> f64 {
        let [count] = callgrind.counts([ROW, self.0])[..] else {
            panic!("{}: not one count", self.0);
        };
        count / self.operations() as f64
    }

    pub(crate) fn run(&self) {
        let operations = self.operations();
        match self.1 {
            Workload::Client(peer) => client(operations, peer),
            Workload::Views(path) => views(operations, path),
            Workload::Networks(space, found) => networks(operations, space, found),
            Workload::Deny(path) => deny(operations, path),
            Workload::Limit => limit(operations),
            Workload::Scan(path) => scan(operations, path),
            Workload::Bare => bare(operations),
            Workload::Chain(path) => chain(operations, path),
            Workload::Layer(single) => layer(operations, single),
            Workload::LimitPerPeer => limit_per_peer(operations),
            Workload::Text => text(operations),
            Workload::Ping => ping(operations),
            Workload::Reload => reload(operations),
        }
    }
}

// === workloads ===

/// A browser's request with `X-Forwarded-For`, which counts if the peer is a trusted proxy.
fn browser(path: &str) -> OwnedHead {
    OwnedHead::from_request(requests::page(path).body(()).unwrap())
        .header("x-forwarded-for", reference::CLIENT)
}

fn client(operations: usize, peer: &str) {
    let trusted = ["127.0.0.0/8".parse().unwrap()];
    let rules = ClientRules::default().with_trusted(trusted).unwrap();
    let head = browser("/").from(peer);
    let facts = head.facts(&rules);
    let known: IpAddr = reference::CLIENT.parse().unwrap();
    count(operations, || {
        let clients = (0..operations).map(|_| rules.resolve(facts.peer, facts.headers));
        clients.filter(|client| client.addr() == known).count()
    });
}

fn views(operations: usize, path: PathKind) {
    let mut rng = Rng::new(1);
    let paths: Vec<_> = (0..operations).map(|_| path.generate(&mut rng)).collect();
    count(operations, || {
        let views = paths.iter().map(|path| PathViews::new(path.as_bytes()));
        views.filter(|views| views.iter().next().is_some()).count()
    });
}

fn networks(operations: usize, space: AddressSpace, found: bool) {
    let mut rng = Rng::new(1);
    let networks = space.networks(reference::NETWORKS, &mut rng);
    let text: Vec<_> = networks.iter().map(ToString::to_string).collect();
    let lists = [List::parse("list", &text.join("\n")).unwrap()];
    let ranges = IpRanges::build(&lists).unwrap();
    let mut addrs = Vec::new();
    while addrs.len() < operations {
        let mut addr = space.addr(&mut rng);
        if found {
            addr = within(networks[rng.below(networks.len())], addr);
        }
        if ranges.holds(addr) == found {
            addrs.push(addr);
        }
    }
    count(operations, || {
        let results = addrs.iter().map(|addr| ranges.find(*addr).is_some());
        results.filter(|result| *result == found).count()
    });
}

fn deny(operations: usize, path: PathKind) {
    let rule = |(nth, (exact, below)): (usize, (String, String))| {
        let exact = DenyRule::new(format!("exact-{nth}")).exact([exact]);
        [exact, DenyRule::new(format!("below-{nth}")).prefix([below])]
    };
    let rules = reference::paths().enumerate().flat_map(rule);
    let php = DenyRule::new("php").extensions(["php"]);
    let rules: Vec<_> = std::iter::once(php).chain(rules).collect();
    let deny = rules.compile(&Context::new(&State::scratch())).unwrap();
    let passes = path != PathKind::Denied;
    judge_requests(operations, path, |facts, state| {
        (deny.inspect(facts, state) == Verdict::Pass) == passes
    });
}

fn limit(operations: usize) {
    let table = Arc::new(LimitTable::new(LimitTable::CAPACITY));
    let rate = NonZeroU32::new(1_000_000).unwrap();
    let rule = LimitRule::new("per-client", format!("{rate}/s").parse().unwrap());
    let limit = [rule.mode(Mode::Enforce)]
        .compile(&Context::new(&State::scratch().with_limits(table)))
        .unwrap();
    judge_requests(operations, PathKind::Plain, |facts, state| {
        limit.inspect(facts, state) == Verdict::Pass
    });
}

fn scan(operations: usize, path: PathKind) {
    let scores = Arc::new(Scores::new(1_000));
    let first = Duration::from_mins(10);
    let scan = ScanConfig::default()
        .compile(&Context::new(&State::scratch().with_scores(scores)).with_ban_for(first))
        .unwrap();
    judge_requests(operations, path, |facts, state| {
        scan.inspect(facts, state) == Verdict::Pass
    });
}

/// Judges requests of one client. `judge` returns `true` if the verdict is as expected.
fn judge_requests(
    operations: usize,
    path: PathKind,
    judge: impl Fn(&Facts<'_>, &mut RequestState) -> bool,
) {
    let mut rng = Rng::new(1);
    let heads = (0..operations).map(|_| browser(&path.generate(&mut rng)));
    let heads: Vec<_> = heads.collect();
    let rules = ClientRules::default();
    let facts: Vec<_> = heads.iter().map(|head| head.facts(&rules)).collect();
    let mut state = RequestState::new(&facts[0]);
    count(operations, || {
        let expected = facts.iter().filter(|facts| judge(facts, &mut state));
        expected.count()
    });
}
