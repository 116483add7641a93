//! The time until a scanner is banned: fail2ban, which reads nginx's log, beside guard, with equal rules.
//!
//! `cargo build --release -p guard && cargo bench -p gabion-benches --bench ban [-- BANS]`, or
//! `benches/ban/run`.
//!
//! Ten probes within ten minutes that nginx answers with 404 ban a client for ten minutes. Each scanner
//! has its own address (`X-Forwarded-For`, trusted from loopback) and sends 1,000 probes per second. The
//! bench measures the time from the response to the tenth probe, when nginx writes the log line, to the
//! moment at which fail2ban runs its ban action, and the number of probes that nginx answers meanwhile.
//! The action only writes a timestamp: a firewall would add time, and a buffered log much more.
//!
//! guard refuses the next probe, so that its time is not measured. A visitor who sends nine probes must not be
//! banned by either.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench reads the system's state and may panic"
)]

mod client;
mod fail2ban;
mod testbed;

use std::{env, process::ExitCode, thread, time::Duration};

use client::Client;
use fail2ban::{Backend, Fail2ban};
use gabion_benches::{
    Rng,
    process::{OTHER_CORE, Running, stay_on},
};
use testbed::Testbed;

/// The default number of scanners for each ban tool.
const BANS: u8 = 15;

/// The maximum number of scanners. Each needs two addresses of a /24, one of them for a visitor.
const MAX_BANS: u8 = 120;

/// The number of probes that ban a client.
const PROBES: usize = 10;

/// The pause between two probes of one scanner.
const PROBE_INTERVAL: Duration = Duration::from_millis(1);

/// The bench fails if a ban takes longer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The result of one scanner.
#[derive(Clone, Copy, Debug)]
struct Banned {
    /// The time from the tenth probe to the ban.
    after: Duration,
    /// Probes that nginx answered in that time.
    missed_probes: usize,
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let is_test = gabion_benches::is_test();
    let bans = args.iter().find_map(|arg| arg.parse().ok());
    let bans = bans.unwrap_or(if is_test { 1 } else { BANS }).min(MAX_BANS);
    stay_on(OTHER_CORE);
    let Some(testbed) = Testbed::start() else {
        return ExitCode::SUCCESS;
    };
    println!("from the tenth probe to the ban, {bans} scanners: median (range)");
    println!("{:<24}{:>28}{:>24}", "", "milliseconds", "probes answered");
    for backend in Backend::ALL {
        if let Some(fail2ban) = Fail2ban::start(backend, &testbed) {
            let name = format!("fail2ban, {backend}");
            row(&name, (0..bans).map(|_| by_fail2ban(&fail2ban, &testbed)));
        }
    }
    if let Some(guard) = testbed.guard() {
        row("guard", (0..bans).map(|nth| by_guard(nth, &guard)));
    }
    ExitCode::SUCCESS
}

/// Sends probes until fail2ban bans the scanner. The start is random within a second, since the polling
/// backend checks at fixed intervals.
fn by_fail2ban(fail2ban: &Fail2ban, testbed: &Testbed) -> Banned {
    let client = fail2ban.next_client();
    let moment = u64::from(client.octets()[3]).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let millis = Rng::new(moment | 1).below(1_000);
    thread::sleep(Duration::from_millis(millis as u64));
    let mut visitor = Client::new(testbed.nginx.addr, fail2ban.next_client());
    let mut scanner = Client::new(testbed.nginx.addr, client);
    visitor.probe(0..PROBES - 1);
    let tenth = scanner.probe(0..PROBES);
    let mut missed_probes = Vec::new();
    let banned = loop {
        if let Some(at) = fail2ban.ban_time(scanner.addr) {
            break at;
        }
        let nth = PROBES + missed_probes.len();
        missed_probes.push(scanner.probe(nth..nth + 1));
        let waited = missed_probes.last().map(|at| at.duration_since(tenth));
        assert!(waited.unwrap().unwrap() < TIMEOUT, "no ban in time");
    };
    assert_eq!(fail2ban.ban_time(visitor.addr), None, "a visitor is banned");
    Banned {
        after: banned
            .duration_since(tenth)
            .expect("the ban is after the probe"),
        missed_probes: missed_probes.iter().filter(|at| **at < banned).count(),
    }
}

/// Asserts that guard refuses the probe after the tenth, and none before, and then bans the scanner.
fn by_guard(nth: u8, guard: &Running) -> Banned {
    let mut visitor = Client::new(guard.addr, [198, 51, 100, nth].into());
    let mut scanner = Client::new(guard.addr, [203, 0, 113, nth].into());
    visitor.probe(0..PROBES - 1);
    scanner.probe(0..PROBES);
    for nth in PROBES..PROBES + 2 {
        let status = scanner.get(&format!("/phpmyadmin/{nth}/.git/config"));
        assert_eq!(status, 429, "the probe is refused");
    }
    assert_eq!(scanner.get("/"), 403, "the scanner is banned");
    assert_eq!(visitor.get("/"), 200, "the visitor is not banned");
    Banned {
        after: Duration::ZERO,
        missed_probes: 0,
    }
}

fn row(name: &str, banned: impl Iterator<Item = Banned>) {
    let banned: Vec<_> = banned.collect();
    let millis = banned.iter().map(|banned| banned.after.as_millis());
    let missed_probes = banned.iter().map(|banned| banned.missed_probes as u128);
    let (millis, missed_probes) = (spread(millis), spread(missed_probes));
    println!("{name:<24}{millis:>28}{missed_probes:>24}");
}

/// Formats the median and the range.
fn spread(values: impl Iterator<Item = u128>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    let (least, most) = (values[0], values[values.len() - 1]);
    format!("{} ({least} to {most})", values[values.len() / 2])
}
