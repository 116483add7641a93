//! What an idle WebSocket costs: guard beside nginx and HAProxy, and the tower layer by itself.
//!
//! `cargo build --release -p guard && cargo bench -p gabion-benches --bench sockets [-- SOCKETS]`
//!
//! `-- --curve` draws what a socket costs among few and among many (`growth/sockets.svg`).
//!
//! Each proxy stands with one worker before one echo server. After a few sockets that warm it up, so
//! many more are opened (2,000 where nothing is said), and then each sends one message. What is
//! printed is what the proxy's processes have grown by, for each socket: anonymous memory alone, as
//! `/proc/PID/smaps_rollup` has it. Memory of the kernel is not counted.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench asks its machine, and may stop"
)]

mod client;
mod curve;
mod memory;
mod proxy;
mod server;

use std::{env, net::SocketAddr, process::ExitCode};

use client::Sockets;
use memory::Grown;
use proxy::{Running, Stand};

/// Opened first, so that what a process needs once is not counted.
const WARM_UP: usize = 100;

/// What a bench run without a number opens.
const SOCKETS: usize = 2_000;

/// What it opens where it only has to show that it works (`-- --test`).
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
    let echo = proxy::start(Stand::Echo, None).expect("the echo server is this program");
    if args.iter().any(|arg| arg == "--curve") {
        curve::draw(echo.addr);
        return ExitCode::SUCCESS;
    }

    println!("bytes of a process for each of {count} WebSockets");
    println!("{:<34} {:>8} {:>16}", "", "idle", "after a message");
    let behind = |stand| row(stand, Some(echo.addr), count);
    let proxies = [Stand::HaProxy, Stand::Nginx, Stand::Guard].map(behind);
    let layers = [Stand::Bare, Stand::Layered, Stand::Held].map(|stand| row(stand, None, count));
    for (stand, with) in [(Stand::Layered, 1), (Stand::Held, 2)] {
        if let (Some(bare), Some(with)) = (&layers[0], &layers[with]) {
            let idle = with.idle - bare.idle;
            let used = with.used - bare.used;
            println!("{:<34} {idle:>8} {used:>16}", format!("{stand} adds"));
        }
    }
    if proxies.iter().chain(&layers).all(Option::is_none) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Measures one; none where it is not here.
fn row(stand: Stand, behind: Option<SocketAddr>, count: usize) -> Option<Grown> {
    let running = proxy::start(stand, behind)?;
    let grown = measure(&running, count);
    println!("{stand:<34} {:>8} {:>16}", grown.idle, grown.used);
    Some(grown)
}

fn measure(running: &Running, count: usize) -> Grown {
    let mut warm = Sockets::default();
    warm.open(running.addr, WARM_UP);
    warm.echo();
    let before = memory::anonymous(running.pid());
    let mut sockets = Sockets::default();
    sockets.open(running.addr, count);
    let idle = memory::anonymous(running.pid());
    sockets.echo();
    let used = memory::anonymous(running.pid());
    Grown::of(before, idle, used, count)
}
