//! The memory of an idle WebSocket: guard beside nginx and HAProxy, and the tower layer alone.
//!
//! `cargo build --release -p guard && cargo bench -p gabion-benches --bench sockets [-- SOCKETS]`
//!
//! `-- --curve` draws the memory per socket by the number of open sockets (`growth/sockets.svg`).
//!
//! Each proxy has one worker in front of the same echo server. After 100 sockets for warming up, the bench
//! opens `SOCKETS` more (default 2,000), and then sends a message on each. It prints the growth of the
//! proxy's processes divided by the number of sockets: anonymous memory (`Pss_Anon` in
//! `/proc/PID/smaps_rollup`), without memory of the kernel.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench reads the system's state and may panic"
)]

mod client;
mod curve;
mod memory;
mod server;
mod target;

use std::{env, net::SocketAddr, process::ExitCode};

use client::Sockets;
use memory::Growth;
use target::{Running, Target};

/// Sockets opened before the measurement, so that one-time allocations are not counted.
const WARM_UP: usize = 100;

/// The default number of sockets.
const SOCKETS: usize = 2_000;

/// The number of sockets of a smoke test (`-- --test`).
const FEW: usize = 50;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [role, addr] = &args[..]
        && let Some(serve) = server::role(role)
    {
        serve(addr.parse().expect("an address"));
        return ExitCode::SUCCESS;
    }
    let count = args.iter().find_map(|arg| arg.parse().ok());
    let is_test = args.iter().any(|arg| arg == "--test");
    let count = count.unwrap_or(if is_test { FEW } else { SOCKETS });
    let echo = target::start(Target::Echo, None).expect("the echo server is this program");
    if args.iter().any(|arg| arg == "--curve") {
        curve::draw(echo.addr);
        return ExitCode::SUCCESS;
    }

    println!("bytes of a process for each of {count} WebSockets");
    println!("{:<34} {:>8} {:>16}", "", "idle", "after a message");
    let upstream = |target| row(target, Some(echo.addr), count);
    let proxies = [Target::HaProxy, Target::Nginx, Target::Guard].map(upstream);
    let layers = [Target::Axum, Target::AxumWithLayer, Target::AxumWithLimits]
        .map(|target| row(target, None, count));
    for (target, with) in [(Target::AxumWithLayer, 1), (Target::AxumWithLimits, 2)] {
        if let (Some(bare), Some(with)) = (&layers[0], &layers[with]) {
            let idle = with.idle - bare.idle;
            let used = with.used - bare.used;
            println!("{:<34} {idle:>8} {used:>16}", format!("{target} adds"));
        }
    }
    if proxies.iter().chain(&layers).all(Option::is_none) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Measures one target and prints its row; `None` if it is not installed.
fn row(target: Target, upstream: Option<SocketAddr>, count: usize) -> Option<Growth> {
    let running = target::start(target, upstream)?;
    let growth = measure(&running, count);
    println!("{target:<34} {:>8} {:>16}", growth.idle, growth.used);
    Some(growth)
}

fn measure(running: &Running, count: usize) -> Growth {
    let mut warm = Sockets::default();
    warm.open(running.addr, WARM_UP);
    warm.echo();
    let before = memory::anonymous(running.pid());
    let mut sockets = Sockets::default();
    sockets.open(running.addr, count);
    let idle = memory::anonymous(running.pid());
    sockets.echo();
    let used = memory::anonymous(running.pid());
    Growth::new(before, idle, used, count)
}
