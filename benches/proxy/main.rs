//! The processor time of a proxied request: guard beside nginx and HAProxy, with equal rules.
//!
//! `cargo build --release -p guard && cargo bench -p gabion-benches --bench proxy [-- tls] [SECONDS]`, or
//! `benches/proxy/run`. With `tls`, the proxies end TLS: handshakes, and requests over HTTP/1.1 and HTTP/2.
//!
//! Each proxy has one worker on one core; the load and the upstream server (nginx) share another. The measure
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
mod pooled_hyper;
mod testbed;
mod tls;
mod upstream;

use std::{env, fmt::Display, net::SocketAddr, process::ExitCode};

use gabion_benches::process::Running;
use load::{Load, Run, Workload};
use testbed::{Proxy, Testbed, Transport};
use tls::{TlsLoad, TlsWorkload};
use upstream::HeaderCase;

/// The default duration of one run, and the number of rounds.
const SECONDS: u64 = 3;
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, listen, upstream] = &args[..]
        && let Some(serve) = hyper_alone(flag)
    {
        let addr = |arg: &String| arg.parse().expect("an address");
        serve(addr(listen), addr(upstream));
        return ExitCode::SUCCESS;
    }
    let is_test = gabion_benches::is_test();
    let seconds = args.iter().find_map(|arg| arg.parse().ok());
    let seconds = seconds.unwrap_or(if is_test { 1 } else { SECONDS });
    let rounds = if is_test { 1 } else { ROUNDS };
    let is_tls = args.iter().any(|arg| arg == "tls");
    // A program that is missing has been noted.
    let _ = (is_test || !is_tls).then(|| measure_tcp(seconds, rounds));
    let _ = (is_test || is_tls).then(|| measure_tls(seconds, rounds));
    ExitCode::SUCCESS
}

/// Returns the proxy that `flag` selects.
fn hyper_alone(flag: &str) -> Option<fn(SocketAddr, SocketAddr)> {
    match flag {
        plain_hyper::FLAG => Some(plain_hyper::serve),
        pooled_hyper::FLAG => Some(pooled_hyper::serve),
        _ => None,
    }
}

/// Measures requests over plain HTTP/1.1.
fn measure_tcp(seconds: u64, rounds: usize) -> Option<()> {
    let load = Load::new(seconds)?;
    let testbed = Testbed::start()?;
    let proxies = testbed.start_proxies(&Proxy::ALL, Transport::Tcp);
    let measure = |proxy: Proxy, running: &Running, workload| {
        load.measure(running, proxy.has_rules(), workload)
    };
    compare(&proxies, &Workload::ALL, rounds, measure);
    Some(())
}

/// Measures handshakes and requests over TLS.
fn measure_tls(seconds: u64, rounds: usize) -> Option<()> {
    let load = TlsLoad::new(seconds)?;
    let testbed = Testbed::start()?;
    tls::write_certificate(testbed.folder())?;
    let proxies = testbed.start_proxies(Proxy::TLS, Transport::Tls);
    let measure = |_, running: &Running, workload| load.measure(running, workload);
    compare(&proxies, &TlsWorkload::ALL, rounds, measure);
    Some(())
}

/// Measures each proxy with each workload in each round, and prints the medians.
fn compare<W: Copy + Display>(
    proxies: &[(Proxy, Running)],
    workloads: &[W],
    rounds: usize,
    measure: impl Fn(Proxy, &Running, W) -> Run,
) {
    let mut runs = vec![vec![Vec::new(); workloads.len()]; proxies.len()];
    for _ in 0..rounds {
        for (nth, workload) in workloads.iter().enumerate() {
            for ((proxy, running), runs) in proxies.iter().zip(&mut runs) {
                runs[nth].push(measure(*proxy, running, *workload));
            }
        }
    }
    println!("processor time of the proxy for each, in microseconds (number a second)");
    print!("{:<24}", "");
    for workload in workloads {
        print!("{workload:>20}");
    }
    println!("{:>12}", "memory");
    for ((proxy, running), runs) in proxies.iter().zip(runs) {
        print!("{proxy:<24}");
        for runs in runs {
            let Run { micros, per_second } = Run::median(runs);
            print!("{:>20}", format!("{micros:.1} ({per_second:.0})"));
        }
        println!("{:>8} MiB", running.resident() >> 20);
    }
}
