//! The processor time of a proxied request: guard beside nginx and HAProxy, with equal rules.
//!
//! `cargo build --release -p guard && cargo bench -p gabion-benches --bench proxy [-- SECONDS]`, or
//! `benches/proxy/run`.
//!
//! Each proxy has one worker on one core; wrk and the upstream server (nginx) share another. The measure
//! is the processor time of the proxy for each request, user and system (`/proc/PID/schedstat`), which
//! does not depend on the rate of the load. Results are medians of several rounds. In each round every
//! proxy runs once, so that other load on the machine affects all of them equally.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench reads the system's state and may panic"
)]

mod load;
mod plain_hyper;
mod testbed;

use std::{env, process::ExitCode};

use load::{Load, Workload};
use testbed::{Proxy, Testbed};

/// The default duration of one run, and the number of rounds.
const SECONDS: u64 = 3;
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, listen, upstream] = &args[..]
        && flag == plain_hyper::FLAG
    {
        let addr = |arg: &String| arg.parse().expect("an address");
        plain_hyper::serve(addr(listen), addr(upstream));
    }
    let is_test = args.iter().any(|arg| arg == "--test");
    let seconds = args.iter().find_map(|arg| arg.parse().ok());
    let seconds = seconds.unwrap_or(if is_test { 1 } else { SECONDS });
    let rounds = if is_test { 1 } else { ROUNDS };
    let Some(load) = Load::new(seconds) else {
        return ExitCode::SUCCESS;
    };
    let Some(testbed) = Testbed::start() else {
        return ExitCode::SUCCESS;
    };
    let proxies: Vec<_> = Proxy::ALL
        .iter()
        .filter_map(|proxy| Some((*proxy, testbed.start_proxy(*proxy)?)))
        .collect();

    println!("processor time of the proxy for each request, in microseconds (requests a second)");
    print!("{:<24}", "");
    for workload in Workload::ALL {
        print!("{workload:>20}");
    }
    println!("{:>12}", "memory");
    let mut runs = vec![[const { Vec::new() }; Workload::ALL.len()]; proxies.len()];
    for _ in 0..rounds {
        for (nth, workload) in Workload::ALL.into_iter().enumerate() {
            for ((proxy, running), runs) in proxies.iter().zip(&mut runs) {
                runs[nth].push(load.measure(running, proxy.has_rules(), workload));
            }
        }
    }
    for ((proxy, running), runs) in proxies.iter().zip(&mut runs) {
        print!("{proxy:<24}");
        for runs in runs {
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
