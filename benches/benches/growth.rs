//! What more of everything costs, as curves: `growth/*.svg`.
//!
//! `cargo bench -p gabion-benches --bench growth`
//!
//! A point is what one lookup takes, as many times what it takes where there is least. It fails where a
//! curve of gabion's ends higher than is claimed for it:
//! 1. a path before deny rules is looked up no longer: [`FLAT`];
//! 2. among networks and clients a lookup has as many steps or a few more, but what lies in the nearest
//!    cache at first comes out of memory at last: [`FROM_MEMORY`];
//! 3. of rules about messages nothing is claimed: each reads the message for itself.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench may stop, and needs no more digits than it draws"
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
    inspect::{Config as _, Context, MessageDenials, MessageFacts, Now, RuleId, State},
    limit::{LimitRule, LimitTable},
    policy::MessageRule,
};
use gabion_benches::{
    Chart, Numbers, Race,
    asked::Path,
    is_test, reference, rules, socket,
    space::{Space, within},
};
use gabion_inspect::IpRanges;
use gabion_testkit::{OwnedHead, client_at};
use governor::{
    Quota, RateLimiter, clock::FakeRelativeClock, middleware::NoOpMiddleware, nanos::Nanos,
    state::keyed::DashMapStateStore,
};
use http::HeaderMap;

/// How often everything is asked for.
const ROUNDS: usize = 15;

/// How much is asked for: half of it is there, where it can be.
const ASKED: usize = 1 << 17;

/// At most so many times what the fewest take.
const FLAT: f64 = 1.5;

/// The same where memory is farther than the nearest cache. One by one were a thousand times.
const FROM_MEMORY: f64 = 32.0;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/growth");

/// How many of something there are, and how many times what the fewest take a lookup takes.
type Points = Vec<(f64, f64)>;

/// Asks for everything, and gives how much of it there was.
type Lap<'l> = Box<dyn FnMut() -> usize + 'l>;

/// The first time of all.
const NOW: Now = Now::new(Duration::ZERO, UNIX_EPOCH);

fn main() {
    let many = (1_000, 1_000_000);
    let networks = [
        ("IPv4", networks(Space::V4, many)),
        ("IPv6", networks(Space::V6, many)),
    ];
    draw(
        "networks",
        "A lookup among banned networks",
        "networks",
        &networks,
    );
    hold(&networks, FROM_MEMORY);
    let banned = [("gabion", bans(many))];
    draw(
        "bans",
        "A lookup among clients that are banned for a time",
        "banned clients",
        &banned,
    );
    hold(&banned, FROM_MEMORY);
    let limited = [("gabion", limit(many)), ("governor", governor(many))];
    draw(
        "clients",
        "A check of a limit among its clients",
        "clients",
        &limited,
    );
    hold(&limited[..1], FROM_MEMORY);
    let denied = [
        ("plain path", deny(Path::Plain)),
        ("hidden path", deny(Path::Hostile)),
        ("denied path", deny(Path::Denied)),
    ];
    draw("rules", "A path before deny rules", "rules", &denied);
    hold(&denied, FLAT);
    let said = [("64 bytes", messages(64)), ("1 KiB", messages(1 << 10))];
    draw("messages", "A message before rules", "rules", &said);
}

/// Times laps of ever ten times more.
fn grow<'l>((from, to): (usize, usize), lap: impl Fn(usize) -> Lap<'l>) -> Points {
    let counts = iter::successors(Some(from), |count| Some(count * 10));
    let to = if is_test() { from * 10 } else { to };
    let counts: Vec<_> = counts.take_while(|count| *count <= to).collect();
    let mut race = Race::new();
    for &count in &counts {
        race.enter(&count.to_string(), lap(count));
    }
    let finishes = race.run(if is_test() { 1 } else { ROUNDS }, asked());
    let ratios = finishes.iter().map(|finish| finish.ratio);
    counts
        .iter()
        .map(|count| *count as f64)
        .zip(ratios)
        .collect()
}

fn asked() -> usize {
    if is_test() { 64 } else { ASKED }
}

/// Prints the curves, and draws them.
fn draw(name: &str, title: &str, x: &str, curves: &[(&str, Points)]) {
    println!("{title}");
    let mut chart = Chart::new(title, x, "times the least");
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

/// Holds curves to what is claimed for them.
fn hold(curves: &[(&str, Points)], most: f64) {
    for (curve, points) in curves {
        let (count, ratio) = *points.last().unwrap();
        let claimed = is_test() || ratio <= most;
        assert!(
            claimed,
            "{curve}: {ratio:.2} times the least at {count}, {most} are claimed"
        );
    }
}

fn networks(space: Space, counts: (usize, usize)) -> Points {
    grow(counts, |count| {
        let mut numbers = Numbers::of(1);
        let networks = space.networks(count, &mut numbers);
        let text: Vec<_> = networks.iter().map(ToString::to_string).collect();
        let lists = [List::parse("list", &text.join("\n")).unwrap()];
        let ranges = IpRanges::build(&lists).unwrap();
        let mut asked = Vec::new();
        while asked.len() < self::asked() {
            let mut addr = space.addr(&mut numbers);
            let is_in = asked.len() % 2 == 0;
            if is_in {
                addr = within(networks[numbers.below(count)], addr);
            }
            if ranges.holds(addr) == is_in {
                asked.push(addr);
            }
        }
        Box::new(move || {
            let found = asked.iter().filter(|addr| ranges.find(**addr).is_some());
            found.count()
        })
    })
}

/// Of twice as many clients one in two is banned.
fn bans(counts: (usize, usize)) -> Points {
    grow(counts, |count| {
        let table = BanTable::new(count);
        let offense = Offense::certain(RuleId::builtin("by-hand"), Duration::from_hours(1));
        for number in 0..count {
            table.record_offense(&client(2 * number), &offense, NOW);
        }
        let mut numbers = Numbers::of(1);
        let asked = (0..asked()).map(|nth| client(2 * numbers.below(count) + nth % 2));
        let asked: Vec<_> = asked.collect();
        Box::new(move || {
            let standing = asked
                .iter()
                .filter(|client| table.active(client, NOW).is_some());
            standing.count()
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

/// So many clients come in no order.
fn clients(count: usize) -> Vec<ClientIp> {
    let mut numbers = Numbers::of(2);
    (0..asked()).map(|_| client(numbers.below(count))).collect()
}

/// A client by its number, which is in no order with others.
fn client(number: usize) -> ClientIp {
    // Each number once: the multiplier is odd.
    let mixed = (number as u32).wrapping_mul(0x9e37_79b1) & 0xff_ffff;
    let addr = IpAddr::from(Ipv4Addr::from_bits(0x2c00_0000 | mixed));
    ClientRules::default().resolve(PeerAddr::new((addr, 4711).into()), &HeaderMap::new())
}

fn deny(path: Path) -> Points {
    let mut numbers = Numbers::of(1);
    let heads = (0..1 << 12).map(|_| OwnedHead::get(&path.draw(&mut numbers)));
    let (heads, clients) = (heads.collect::<Vec<_>>(), ClientRules::default());
    let facts: Vec<_> = heads.iter().map(|head| head.facts(&clients)).collect();
    let facts = &facts;
    grow((10, 10_000), |count| {
        let rules = rules::deny(count);
        let deny = rules.compile(&Context::new(&State::scratch())).unwrap();
        Box::new(move || {
            let mut state = RequestState::new(&facts[0]);
            let asked = facts.iter().cycle().take(asked());
            let verdicts = asked.map(|facts| deny.inspect(facts, &mut state));
            verdicts.filter(|verdict| *verdict == Verdict::Pass).count()
        })
    })
}

fn messages(len: usize) -> Points {
    let (said, client) = (socket::chat(len), client_at(reference::CLIENT));
    let (said, client) = (&said, &client);
    grow((1, 100), |count| {
        let rule =
            |nth| MessageRule::new(format!("rule-{nth}")).contains([format!("${{jndi:{nth}")]);
        let rules: Vec<_> = (0..count).map(rule).collect();
        let rules = rules.compile(&Context::new(&State::scratch())).unwrap();
        Box::new(move || {
            let message = MessageFacts {
                client,
                path: "/socket",
                is_text: true,
                payload: said.as_bytes(),
                offset: 0,
                now: NOW,
            };
            let passed = (0..asked() / 16).filter(|_| {
                let mut objections = MessageDenials::default();
                rules.message(&message, &mut objections);
                !objections.are_final()
            });
            passed.count()
        })
    })
}
