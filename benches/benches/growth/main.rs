//! The time of lookups by the size of the set, as curves: `growth/*.svg`.
//!
//! `cargo bench -p gabion-benches --bench growth`
//!
//! A point is the time of one lookup, relative to the smallest set. The bench fails if the largest set of
//! a gabion curve exceeds its limit:
//! 1. the number of deny rules does not affect the time of a path: [`MAX_FLAT`];
//! 2. lookups of networks and clients take a few more steps in larger sets, and their data moves from the
//!    nearest cache to memory: [`MAX_CACHE_MISS`];
//! 3. message rules are searched together, but a search for more literals reads more of the message:
//!    [`MAX_MESSAGE`].

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench may panic, and needs only the digits that it draws"
)]

use std::{
    fs, iter,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use gabion::{
    ClientIp, Inspect as _, Mode, PeerAddr, RequestState, Verdict,
    ban::{BanTable, List, Offense, OffenseRecorder as _},
    client::ClientRules,
    inspect::InspectMessage as _,
    inspect::{Config as _, Context, MessageDenials, MessageFacts, Now, RuleId, State},
    limit::{LimitRule, LimitTable},
    policy::MessageRule,
};
use gabion_benches::{
    Chart, Comparison, Rng, is_test,
    networks::{AddressSpace, within},
    reference,
    requests::PathKind,
    rules, websocket,
};
use gabion_inspect::IpRanges;
use gabion_testkit::{OwnedHead, client_at};
use governor::{
    Quota, RateLimiter, clock::FakeRelativeClock, middleware::NoOpMiddleware, nanos::Nanos,
    state::keyed::DashMapStateStore,
};
use http::HeaderMap;

/// The number of rounds.
const ROUNDS: usize = 15;

/// Lookups per round. For networks and bans, half of them are in the set.
const LOOKUPS: usize = 1 << 17;

/// The maximum ratio to the smallest set for lookups that do not depend on the size.
const MAX_FLAT: f64 = 1.5;

/// The maximum ratio of 100 message rules to one of the same kind.
const MAX_MESSAGE: f64 = 3.0;

/// The maximum ratio for lookups that miss the nearest cache in large sets. A linear search would take
/// 1,000 times as long.
const MAX_CACHE_MISS: f64 = 32.0;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/growth");

/// Points of a curve: the size of the set, and the ratio of the lookup time to that of the smallest set.
type Points = Vec<(f64, f64)>;

/// Does all lookups of a round and returns how many found something.
type Work<'l> = Box<dyn FnMut() -> usize + 'l>;

/// The fixed time of all checks.
const NOW: Now = Now::new(Duration::ZERO, UNIX_EPOCH);

fn main() {
    let many = (1_000, 1_000_000);
    let networks = [
        ("IPv4", networks(AddressSpace::V4, many)),
        ("IPv6", networks(AddressSpace::V6, many)),
    ];
    draw(
        "networks",
        "Lookup of an address by number of banned networks",
        "networks",
        &networks,
    );
    check(&networks, MAX_CACHE_MISS);
    let banned = [("gabion", bans(many))];
    draw(
        "bans",
        "Lookup of a client by number of temporary bans",
        "banned clients",
        &banned,
    );
    check(&banned, MAX_CACHE_MISS);
    let limited = [("gabion", limit(many)), ("governor", governor(many))];
    draw(
        "clients",
        "Check of a rate limit by number of its clients",
        "clients",
        &limited,
    );
    check(&limited[..1], MAX_CACHE_MISS);
    let denied = [
        ("plain path", deny(PathKind::Plain)),
        ("obfuscated path", deny(PathKind::Hostile)),
        ("denied path", deny(PathKind::Denied)),
    ];
    draw(
        "rules",
        "Judging a path by number of deny rules",
        "rules",
        &denied,
    );
    check(&denied, MAX_FLAT);
    let text = [
        ("64 bytes", messages(64, literal)),
        ("1 KiB", messages(1 << 10, literal)),
        ("1 KiB, words", messages(1 << 10, word)),
        ("1 KiB, expressions", messages(1 << 10, expression)),
    ];
    draw(
        "messages",
        "Judging a message by number of message rules",
        "rules",
        &text,
    );
    check(&text, MAX_MESSAGE);
}

/// Measures sets of increasing size, each ten times the one before.
fn grow<'l>((from, to): (usize, usize), work: impl Fn(usize) -> Work<'l>) -> Points {
    let counts = iter::successors(Some(from), |count| Some(count * 10));
    let to = if is_test() { from * 10 } else { to };
    let counts: Vec<_> = counts.take_while(|count| *count <= to).collect();
    let mut comparison = Comparison::new();
    for &count in &counts {
        comparison.add(&count.to_string(), work(count));
    }
    let timings = comparison.run(if is_test() { 1 } else { ROUNDS }, lookups());
    let ratios = timings.iter().map(|timing| timing.ratio);
    counts
        .iter()
        .map(|count| *count as f64)
        .zip(ratios)
        .collect()
}

fn lookups() -> usize {
    if is_test() { 64 } else { LOOKUPS }
}

/// Prints the curves and writes them to `growth/NAME.svg`.
fn draw(name: &str, title: &str, x: &str, curves: &[(&str, Points)]) {
    println!("{title}");
    let mut chart = Chart::new(title, x, "ratio to the smallest");
    for (curve, points) in curves {
        for (count, ratio) in points {
            println!("  {curve:<16}{count:>9}{ratio:>9.2}");
        }
        chart = chart.add(*curve, points.iter().copied());
    }
    if !is_test() {
        fs::create_dir_all(FOLDER).unwrap();
        fs::write(format!("{FOLDER}/{name}.svg"), chart.to_string()).unwrap();
    }
}

/// Asserts that the last point of each curve is at most `most`.
fn check(curves: &[(&str, Points)], most: f64) {
    for (curve, points) in curves {
        let (count, ratio) = *points.last().unwrap();
        let is_within = is_test() || ratio <= most;
        assert!(
            is_within,
            "{curve}: {ratio:.2} times the smallest set at {count}, at most {most} expected"
        );
    }
}

fn networks(space: AddressSpace, counts: (usize, usize)) -> Points {
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
fn bans(counts: (usize, usize)) -> Points {
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

fn limit(counts: (usize, usize)) -> Points {
    let (head, rules) = (OwnedHead::get("/"), ClientRules::default());
    let facts = || head.facts(&rules);
    let facts = &facts;
    grow(counts, |count| {
        let table = Arc::new(LimitTable::new(count));
        let rule = LimitRule::new("per-client", "1000000/s".parse().unwrap());
        let limit = [rule.mode(Mode::Enforce)]
            .compile(&Context::new(&State::scratch().with_limits(table)))
            .unwrap();
        let clients = clients(count);
        Box::new(move || {
            let mut facts = facts();
            let mut state = RequestState::new(&facts);
            let passed = clients.iter().filter(|client| {
                facts.client = **client;
                limit.inspect(&facts, &mut state) == Verdict::Pass
            });
            passed.count()
        })
    })
}

fn governor(counts: (usize, usize)) -> Points {
    grow(counts, |count| {
        let quota = Quota::per_second(NonZeroU32::new(1_000_000).unwrap());
        let store = DashMapStateStore::<IpAddr>::default();
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Nanos>> =
            RateLimiter::new(quota, store, FakeRelativeClock::default());
        for number in 0..count {
            let _ = limiter.check_key(&client(number).addr());
        }
        let clients = clients(count);
        Box::new(move || {
            let passed = clients
                .iter()
                .filter(|client| limiter.check_key(&client.addr()).is_ok());
            passed.count()
        })
    })
}

/// Generates the clients of a round, in random order, out of `count` clients.
fn clients(count: usize) -> Vec<ClientIp> {
    let mut rng = Rng::new(2);
    (0..lookups()).map(|_| client(rng.below(count))).collect()
}

/// Returns the client with this number. Addresses are scrambled.
fn client(number: usize) -> ClientIp {
    // An odd multiplier maps each number to a different address.
    let mixed = (number as u32).wrapping_mul(0x9e37_79b1) & 0xff_ffff;
    let addr = IpAddr::from(Ipv4Addr::from_bits(0x2c00_0000 | mixed));
    ClientRules::default().resolve(PeerAddr::new((addr, 4711).into()), &HeaderMap::new())
}

fn deny(path: PathKind) -> Points {
    let mut rng = Rng::new(1);
    let heads = (0..1 << 12).map(|_| OwnedHead::get(&path.generate(&mut rng)));
    let (heads, clients) = (heads.collect::<Vec<_>>(), ClientRules::default());
    let facts: Vec<_> = heads.iter().map(|head| head.facts(&clients)).collect();
    let facts = &facts;
    grow((10, 10_000), |count| {
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
    grow((1, 100), |count| {
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
