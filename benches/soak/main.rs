//! guard under mixed traffic for a given time: checks every response, memory growth, and leaked
//! descriptors.
//!
//! `benches/soak/run [MINUTES]` (default 60)
//!
//! The traffic comes from this program, at steady rates ([`clients`]): clean requests over HTTP/1.1 and
//! HTTP/2, probes, clients that are banned and return, slow, stalled and malformed ones, uploads that last
//! longer than several policies, WebSockets and event streams. Every 5 seconds the policy is rewritten, and
//! every 8 seconds the upstream server is replaced. Each response is checked; a wrong one fails the soak.
//! Response times are drawn and not judged, so that other load on the machine does not fail it.
//!
//! The soak starts with more clients than guard remembers, so that its tables reach their maximum size.
//! After that its memory must not grow: the maximum of the last sixth is compared with the maximum of the
//! first half. After the last client has disconnected, guard must hold as many descriptors as at the
//! start, and its shutdown must not cut any connection or WebSocket.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench reads the system's state and may panic"
)]

mod charts;
mod clients;
mod guard;
mod http_client;
mod latencies;
mod policy;
mod report;
mod samples;
mod traffic;
mod upstream;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant},
};

use gabion_benches::{Rng, is_test};
use tokio::{
    runtime::Builder,
    task::LocalSet,
    time::{sleep, timeout},
};

use guard::{Guard, Log};
use latencies::Latencies;
use policy::Files;
use report::Report;
use samples::{Sampler, descriptors};
use traffic::Traffic;

/// The default duration, and that of a smoke test (`-- --test`).
const MINUTES: Duration = Duration::from_mins(5);
const TEST: Duration = Duration::from_secs(20);

/// The charts of a soak of this duration are in the repository, beside this file.
const HOUR: Duration = Duration::from_hours(1);

/// The clients that fill the tables: more than guard's two tables hold (`State::BANS` each), and half as
/// many again, for the entries that mark evicted clients. A smoke test uses fewer.
const FILL_CLIENTS: usize = 450_000;
const FILL_CLIENTS_TEST: usize = 2_000;

/// The interval at which the upstream server is replaced.
const RESTART_EVERY: Duration = Duration::from_secs(8);

/// The time in which guard must close its descriptors after the last client has disconnected: longer than
/// the timeouts of WebSockets and pooled connections.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let minutes = env::args().skip(1).find_map(|arg| arg.parse().ok());
    let lasts = match minutes {
        Some(minutes) => Duration::from_mins(minutes),
        None if is_test() => TEST,
        None => MINUTES,
    };
    let Some(binary) = guard::binary() else {
        eprintln!("no guard binary; run `cargo build --release -p guard`");
        return ExitCode::FAILURE;
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let soak = LocalSet::new();
    let report = soak.block_on(&runtime.expect("a runtime"), soaked(&binary, lasts));
    print!("{report}");
    if report.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn soaked(binary: &Path, lasts: Duration) -> Report {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let files = Rc::new(Files::write(
        target.join(format!("soak-{}", std::process::id())),
    ));
    let upstream = upstream::start(RESTART_EVERY);
    let kept = target.join(format!("soak-of-{}-s", lasts.as_secs()));
    fs::create_dir_all(&kept).expect("a folder");
    let log = kept.join("log");
    let guard = Guard::start(binary, &files.policy(), upstream.addr, &log);
    let at_rest = descriptors(guard.pid()).expect("a process");
    let began = Instant::now();
    let sampler = Sampler::start(guard.pid(), began);
    let latencies = Rc::new(Latencies::new(began));
    clients::fill_tables(
        guard.addr,
        if lasts > TEST {
            FILL_CLIENTS
        } else {
            FILL_CLIENTS_TEST
        },
    )
    .await;

    let filled = sampler.len();
    let start = Instant::now();
    let mut traffic = Traffic::new(guard.addr);
    clients::spawn_all(&mut traffic, &files, &latencies);
    sleep(lasts).await;
    let lasted = start.elapsed();
    let played = sampler.len();
    let stats = traffic.end().await;

    let is_left = async {
        while descriptors(guard.pid()).expect("a process") > at_rest {
            sleep(Duration::from_millis(100)).await;
        }
    };
    // The report lists descriptors that are still open after the timeout.
    let _ = timeout(CLOSE_TIMEOUT, is_left).await;
    let left = descriptors(guard.pid()).expect("a process");
    let taken = sampler.stop();
    let table = kept.join("samples.tsv");
    samples::write(&taken, &table).expect("a file");
    let charts = if lasts < HOUR {
        kept
    } else {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("soak")
    };
    charts::draw(&taken, &latencies, &charts).expect("files");
    let ended_well = guard.stop();
    Report {
        lasted,
        stats,
        traffic: taken[filled..played].to_vec(),
        taken,
        descriptors: [at_rest, left],
        restarts: upstream.restarts(),
        ended_well,
        log: Log::read(log),
        table,
        charts,
    }
}

/// Generates `length` bytes, the same for the same seed.
fn body(length: usize, seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed + 1);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(rng.next_u64().to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}
