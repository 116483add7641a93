//! What a request costs on its way through: guard beside nginx and HAProxy, with equal rules.
//!
//! `cargo build --release -p guard && cargo bench -p gabion-benches --bench proxy [-- SECONDS]`, or
//! `benches/proxy/run`.
//!
//! Each proxy has one worker on one core; wrk and the server behind (nginx) share another. What counts
//! is the processor time of the proxy for each request, user and system (`/proc/PID/schedstat`): it
//! does not depend on how fast the load comes. The median of several rounds, in each of which every
//! proxy has its turn, so that what disturbs the machine disturbs all.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench asks its machine, and may stop"
)]

mod floor;
mod load;
mod stand;

use std::{env, process::ExitCode};

use load::{Asked, Load};
use stand::{House, Stand};

/// How long one proxy is asked for one thing in one round.
const SECONDS: u64 = 3;

const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, listen, behind] = &args[..]
        && flag == floor::FLAG
    {
        let addr = |arg: &String| arg.parse().expect("an address");
        floor::pass_on(addr(listen), addr(behind));
    }
    let is_test = args.iter().any(|arg| arg == "--test");
    let seconds = args.iter().find_map(|arg| arg.parse().ok());
    let seconds = seconds.unwrap_or(if is_test { 1 } else { SECONDS });
    let rounds = if is_test { 1 } else { ROUNDS };
    let Some(load) = Load::new(seconds) else {
        return ExitCode::SUCCESS;
    };
    let Some(house) = House::build() else {
        return ExitCode::SUCCESS;
    };
    let stands: Vec<_> = Stand::ALL
        .iter()
        .filter_map(|stand| Some((*stand, house.start(*stand)?)))
        .collect();

    println!("processor time of the proxy for each request, in microseconds (requests a second)");
    print!("{:<24}", "");
    for asked in Asked::ALL {
        print!("{asked:>20}");
    }
    println!("{:>12}", "memory");
    let mut seen = vec![[const { Vec::new() }; Asked::ALL.len()]; stands.len()];
    for _ in 0..rounds {
        for (nth, asked) in Asked::ALL.into_iter().enumerate() {
            for ((stand, running), seen) in stands.iter().zip(&mut seen) {
                seen[nth].push(load.put_on(running, stand.has_rules(), asked));
            }
        }
    }
    for ((stand, running), seen) in stands.iter().zip(&mut seen) {
        print!("{stand:<24}");
        for runs in seen {
            let run = load::median(runs);
            print!(
                "{:>20}",
                format!("{:.1} ({:.0})", run.micros, run.per_second)
            );
        }
        println!("{:>8} MiB", running.resident() >> 20);
    }
    ExitCode::SUCCESS
}
