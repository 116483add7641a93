//! How long a scanner goes on: fail2ban, which reads nginx's log, beside guard, with equal rules.
//!
//! `cargo build --release -p guard && cargo bench -p gabion-benches --bench ban [-- BANS]`, or
//! `benches/ban/run`.
//!
//! Ten probes that nginx answers with 404 within ten minutes ban a client for ten. Each scanner has an
//! address of its own (`X-Forwarded-For`, trusted from loopback) and asks a thousand times a second.
//! Measured are the time from the answer to its tenth probe, when nginx writes the line, to the moment
//! at which fail2ban runs its action, which only writes down when that is, and the probes that were
//! answered meanwhile. A firewall would need longer, and a log that is buffered much longer.
//!
//! A visitor who misses nine pages is not banned, by either.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench asks its machine, and may stop"
)]

mod client;
mod fail2ban;
mod stand;

use std::{env, process::ExitCode, thread, time::Duration};

use client::Client;
use fail2ban::{Backend, Fail2ban};
use gabion_benches::{
    Numbers,
    process::{OTHER_CORE, Running, stay_on},
};
use stand::House;

/// How many scanners are banned by each.
const BANS: u8 = 15;

/// As many as have an address each, a visitor beside each scanner.
const MOST: u8 = 120;

/// Probes that ban.
const PROBES: usize = 10;

/// Between two probes of one scanner.
const BETWEEN: Duration = Duration::from_millis(1);

/// A ban that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// How one scanner was banned.
#[derive(Clone, Copy, Debug)]
struct Banned {
    after: Duration,
    slipped: usize,
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let is_test = gabion_benches::is_test();
    let bans = args.iter().find_map(|arg| arg.parse().ok());
    let bans = bans.unwrap_or(if is_test { 1 } else { BANS }).min(MOST);
    stay_on(OTHER_CORE);
    let Some(house) = House::build() else {
        return ExitCode::SUCCESS;
    };
    println!("from the tenth probe to the ban, of {bans} scanners: median (range)");
    println!("{:<24}{:>28}{:>24}", "", "milliseconds", "slipped through");
    for backend in Backend::ALL {
        if let Some(fail2ban) = Fail2ban::start(backend, &house) {
            let name = format!("fail2ban, {backend}");
            row(&name, (0..bans).map(|_| by_fail2ban(&fail2ban, &house)));
        }
    }
    if let Some(guard) = house.guard() {
        row("guard", (0..bans).map(|nth| by_guard(nth, &guard)));
    }
    ExitCode::SUCCESS
}

/// Probes until fail2ban has banned the scanner, who begins at any moment of its second.
fn by_fail2ban(fail2ban: &Fail2ban, house: &House) -> Banned {
    let client = fail2ban.next_client();
    let moment = u64::from(client.octets()[3]).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let millis = Numbers::of(moment | 1).below(1_000);
    thread::sleep(Duration::from_millis(millis as u64));
    let mut visitor = Client::new(house.nginx.addr, fail2ban.next_client());
    let mut scanner = Client::new(house.nginx.addr, client);
    visitor.miss(0..PROBES - 1);
    let tenth = scanner.miss(0..PROBES);
    let mut slipped = Vec::new();
    let banned = loop {
        if let Some(at) = fail2ban.banned(scanner.addr) {
            break at;
        }
        let nth = PROBES + slipped.len();
        slipped.push(scanner.miss(nth..nth + 1));
        let waited = slipped.last().map(|at| at.duration_since(tenth));
        assert!(waited.unwrap().unwrap() < PATIENCE, "no ban");
    };
    assert_eq!(fail2ban.banned(visitor.addr), None, "a visitor is banned");
    Banned {
        after: banned.duration_since(tenth).expect("it is banned later"),
        slipped: slipped.iter().filter(|at| **at < banned).count(),
    }
}

/// The request after the tenth probe is refused, and no other.
fn by_guard(nth: u8, guard: &Running) -> Banned {
    let mut visitor = Client::new(guard.addr, [198, 51, 100, nth].into());
    let mut scanner = Client::new(guard.addr, [203, 0, 113, nth].into());
    visitor.miss(0..PROBES - 1);
    scanner.miss(0..PROBES);
    assert_eq!(scanner.ask("/"), 403, "the eleventh is refused");
    assert_eq!(visitor.ask("/"), 200, "a visitor is not");
    Banned {
        after: Duration::ZERO,
        slipped: 0,
    }
}

fn row(name: &str, banned: impl Iterator<Item = Banned>) {
    let banned: Vec<_> = banned.collect();
    let millis = banned.iter().map(|banned| banned.after.as_millis());
    let slipped = banned.iter().map(|banned| banned.slipped as u128);
    let (millis, slipped) = (spread(millis), spread(slipped));
    println!("{name:<24}{millis:>28}{slipped:>24}");
}

/// The one in the middle, the least and the most.
fn spread(values: impl Iterator<Item = u128>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    let (least, most) = (values[0], values[values.len() - 1]);
    format!("{} ({least} to {most})", values[values.len() / 2])
}
