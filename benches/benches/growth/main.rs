//! The time of judgments and lookups by the size of their input, as curves: `growth/*.svg`.
//!
//! `cargo bench -p gabion-benches --bench growth`
//!
//! A point is the time of one judgment or lookup, relative to the smallest size. Each curve is labeled with
//! its order of growth. The bench fails if a gabion curve grows faster than its [`Bound`]:
//! 1. the number of deny rules does not affect the time of a path: [`Bound::Flat`];
//! 2. lookups of networks and clients take a few more steps in larger sets, and their data moves from the
//!    nearest cache to memory: [`Bound::CacheMiss`];
//! 3. the judgment of a request grows at most evenly with the bytes of its path and the number of its
//!    headers: [`Bound::Linear`];
//! 4. message rules are searched together, but a search for more literals reads more of the message:
//!    100 take at most three times as long as one.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench may panic, and needs only the digits that it draws"
)]

mod clients;
mod requests;

use std::{
    fs, iter,
    time::{Duration, UNIX_EPOCH},
};

use clients::client;
use gabion::{
    Inspect as _, RequestState, Verdict,
    ban::{BanTable, List, Offense, OffenseRecorder as _},
    client::ClientRules,
    inspect::InspectMessage as _,
    inspect::{Config as _, Context, MessageDenials, MessageFacts, Now, RuleId, State},
    policy::MessageRule,
};
use gabion_benches::{
    Chart, Comparison, Order, Rng, is_test,
    networks::{AddressSpace, within},
    reference,
    requests::PathKind,
    rules, websocket,
};
use gabion_inspect::IpRanges;
use gabion_testkit::{OwnedHead, client_at};

/// The number of rounds.
const ROUNDS: usize = 15;

/// Lookups per round. For networks and bans, half of them are in the set.
const LOOKUPS: usize = 1 << 17;

/// The fastest permitted growth of a curve.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// The time does not depend on the size: O(1).
    Flat,
    /// Lookups in sets that outgrow the nearest cache: O(log n). The largest takes at most 32 times as long
    /// as the smallest; a linear search would take 1,000 times as long or longer. A model of the curve
    /// cannot distinguish a few more steps from slower memory.
    CacheMiss,
    /// O(n). From the middle to the largest size, the time grows at most twice as much as the size.
    Linear,
    /// The largest size takes at most this multiple of the smallest one's time.
    Times(f64),
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/growth");

/// Points of a curve: the size, and the ratio of the time to that of the smallest size.
type Points = Vec<(f64, f64)>;

/// Does all lookups of a round and returns how many found something.
type Work<'l> = Box<dyn FnMut() -> usize + 'l>;

/// The fixed time of all checks.
const NOW: Now = Now::new(Duration::ZERO, UNIX_EPOCH);

fn main() {
    let many = decades(1_000, 1_000_000);
    let networks = [
        ("IPv4", networks(AddressSpace::V4, &many)),
        ("IPv6", networks(AddressSpace::V6, &many)),
    ];
    let title = "Lookup of an address by number of banned networks";
    draw("networks", title, "networks", Bound::CacheMiss, &networks);
    let banned = [("gabion", bans(&many))];
    let title = "Lookup of a client by number of temporary bans";
    draw("bans", title, "banned clients", Bound::CacheMiss, &banned);
    let many = decades(1_000, 10_000_000);
    let limited = [
        ("gabion", clients::limit(&many)),
        ("governor", clients::governor(&many)),
    ];
    let title = "Check of a rate limit by number of its clients";
    draw("clients", title, "clients", Bound::CacheMiss, &limited);
    let denied = [
        ("plain path", deny(PathKind::Plain)),
        ("obfuscated path", deny(PathKind::Hostile)),
        ("denied path", deny(PathKind::Denied)),
    ];
    let title = "Judging a path by number of deny rules";
    draw("rules", title, "rules", Bound::Flat, &denied);
    let text = [
        ("64 bytes", messages(64, literal)),
        ("1 KiB", messages(1 << 10, literal)),
        ("1 KiB, words", messages(1 << 10, word)),
        ("1 KiB, expressions", messages(1 << 10, expression)),
    ];
    let title = "Judging a message by number of message rules";
    draw("messages", title, "rules", Bound::Times(3.0), &text);
    let paths = requests::by_path_length();
    let title = "Judging a request by the length of its path";
    draw("path", title, "bytes", Bound::Linear, &paths);
    let headers = [("gabion", requests::by_headers())];
    let title = "Judging a request by number of its headers";
    draw("headers", title, "headers", Bound::Linear, &headers);
}

/// The sizes from `from` to `to`, each ten times the one before.
fn decades(from: usize, to: usize) -> Vec<usize> {
    let sizes = iter::successors(Some(from), |size| Some(size * 10));
    sizes.take_while(|size| *size <= to).collect()
}

/// Measures sizes of increasing order. A smoke test measures the two smallest.
fn grow<'l>(sizes: &[usize], work: impl Fn(usize) -> Work<'l>) -> Points {
    let sizes = if is_test() { &sizes[..2] } else { sizes };
    let mut comparison = Comparison::new();
    for &size in sizes {
        comparison.add(&size.to_string(), work(size));
    }
    let timings = comparison.run(if is_test() { 1 } else { ROUNDS }, lookups());
    let ratios = timings.iter().map(|timing| timing.ratio);
    sizes.iter().map(|size| *size as f64).zip(ratios).collect()
}

fn lookups() -> usize {
    if is_test() { 64 } else { LOOKUPS }
}

/// Prints the curves, writes them to `growth/NAME.svg`, and asserts the bound of those of gabion.
fn draw(name: &str, title: &str, x: &str, bound: Bound, curves: &[(&str, Points)]) {
    println!("{title}");
    let mut chart = Chart::new(title, x, "ratio to the smallest");
    for (curve, points) in curves {
        let label = format!("{curve}: {}", bound.order(points));
        for (size, ratio) in points {
            println!("  {label:<28}{size:>9}{ratio:>9.2}");
        }
        chart = chart.add(label, points.iter().copied());
    }
    if is_test() {
        return;
    }
    for (curve, points) in curves.iter().filter(|(curve, _)| *curve != "governor") {
        assert!(bound.permits(points), "{curve}: faster than {bound:?}");
    }
    fs::create_dir_all(FOLDER).unwrap();
    fs::write(format!("{FOLDER}/{name}.svg"), chart.to_string()).unwrap();
}

fn networks(space: AddressSpace, counts: &[usize]) -> Points {
    grow(counts, |count| {
        let mut rng = Rng::new(1);
        let networks = space.networks(count, &mut rng);
        let text: Vec<_> = networks.iter().map(ToString::to_string).collect();
        let lists = [List::parse("list", &text.join("\n")).unwrap()];
        let ranges = IpRanges::build(&lists).unwrap();
        let mut queries = Vec::new();
        while queries.len() < lookups() {
            let mut addr = space.addr(&mut rng);
            let is_in = queries.len() % 2 == 0;
            if is_in {
                addr = within(networks[rng.below(count)], addr);
            }
            if ranges.holds(addr) == is_in {
                queries.push(addr);
            }
        }
        Box::new(move || {
            let found = queries.iter().filter(|addr| ranges.find(**addr).is_some());
            found.count()
        })
    })
}

/// Lookups of bans. Half of the clients are banned.
fn bans(counts: &[usize]) -> Points {
    grow(counts, |count| {
        let table = BanTable::new(count);
        let offense = Offense::certain(RuleId::builtin("by-hand"), Duration::from_hours(1));
        for number in 0..count {
            table.record_offense(&client(2 * number), &offense, NOW);
        }
        let mut rng = Rng::new(1);
        let queries = (0..lookups()).map(|nth| client(2 * rng.below(count) + nth % 2));
        let queries: Vec<_> = queries.collect();
        Box::new(move || {
            let found = queries
                .iter()
                .filter(|client| table.active(client, NOW).is_some());
            found.count()
        })
    })
}

fn deny(path: PathKind) -> Points {
    let mut rng = Rng::new(1);
    let heads = (0..1 << 12).map(|_| OwnedHead::get(&path.generate(&mut rng)));
    let (heads, clients) = (heads.collect::<Vec<_>>(), ClientRules::default());
    let facts: Vec<_> = heads.iter().map(|head| head.facts(&clients)).collect();
    let facts = &facts;
    grow(&decades(10, 10_000), |count| {
        let rules = rules::deny(count);
        let deny = rules.compile(&Context::new(&State::scratch())).unwrap();
        Box::new(move || {
            let mut state = RequestState::new(&facts[0]);
            let queries = facts.iter().cycle().take(lookups());
            let verdicts = queries.map(|facts| deny.inspect(facts, &mut state));
            verdicts.filter(|verdict| *verdict == Verdict::Pass).count()
        })
    })
}

/// Judges a message of `len` bytes by rules that do not match it.
fn messages(len: usize, rule: fn(usize) -> MessageRule) -> Points {
    let (text, client) = (websocket::chat(len), client_at(reference::CLIENT));
    let (text, client) = (&text, &client);
    grow(&decades(1, 100), |count| {
        let rules: Vec<_> = (0..count).map(rule).collect();
        let rules = rules.compile(&Context::new(&State::scratch())).unwrap();
        Box::new(move || {
            let message = MessageFacts {
                client,
                path: "/socket",
                is_text: true,
                payload: text.as_bytes(),
                offset: 0,
                now: NOW,
            };
            let passed = (0..lookups() / 16).filter(|_| {
                let mut denials = MessageDenials::default();
                rules.inspect_message(&message, &mut denials);
                !denials.are_final()
            });
            passed.count()
        })
    })
}

/// A rule for a literal whose first byte is rare.
fn literal(nth: usize) -> MessageRule {
    MessageRule::new(format!("rule-{nth}")).contains([format!("${{jndi:{nth}")])
}

fn word(nth: usize) -> MessageRule {
    MessageRule::new(format!("rule-{nth}")).contains([nonsense(nth)])
}

fn expression(nth: usize) -> MessageRule {
    let pattern = format!(r"(?i)\b{}\s+\d+\b", nonsense(nth));
    MessageRule::new(format!("rule-{nth}")).matches([pattern])
}

/// Returns one of a hundred words that no language has.
fn nonsense(nth: usize) -> String {
    const SYLLABLES: [&str; 10] = [
        "ba", "ke", "lin", "mor", "nu", "ras", "se", "tif", "vo", "zun",
    ];
    [nth / 10, nth, 7]
        .map(|at| SYLLABLES[at % SYLLABLES.len()])
        .concat()
}

// === impl Bound ===

impl Bound {
    /// The order of growth of a curve.
    fn order(self, points: &Points) -> Order {
        match (self, Order::fit(points)) {
            (Self::CacheMiss, order) if self.permits(points) => order.min(Order::Logarithmic),
            (_, order) => order,
        }
    }

    fn permits(self, points: &Points) -> bool {
        let order = Order::fit(points);
        let (Some(last), Some(middle)) = (points.last(), points.get(points.len() / 2)) else {
            return true;
        };
        match self {
            Self::Flat => order == Order::Constant,
            Self::CacheMiss => last.1 <= 32.0,
            Self::Linear => {
                let (size, time) = (last.0 / middle.0, last.1 / middle.1);
                order <= Order::Linear && time <= 2.0 * size
            }
            Self::Times(most) => last.1 <= most,
        }
    }
}
