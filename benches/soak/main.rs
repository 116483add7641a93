//! guard under mixed traffic for as long as one likes: what must pass passes, what must not does not,
//! and nothing is left behind.
//!
//! `benches/soak/run [MINUTES]`: an hour where nothing is said.
//!
//! The traffic comes from this program, at steady rates ([`actors`]): clean requests, probes, clients
//! that are banned and come back, slow and broken ones, WebSockets and event streams, while the policy
//! is rewritten and the server behind is replaced every few seconds. Each answer is checked; one that
//! is wrong fails the soak.
//!
//! First come more clients than guard remembers, so that its tables are as large as they get. From
//! then on its memory must not grow: the most of the last sixth is compared with the most of the first
//! half. When all clients have left, it must hold as many descriptors as when it began, and have no
//! connection and no WebSocket to cut when it ends.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench asks its machine, and may stop"
)]

mod actors;
mod asker;
mod guard;
mod policy;
mod report;
mod samples;
mod stage;
mod upstream;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant},
};

use gabion_benches::{Numbers, is_test};
use tokio::{
    runtime::Builder,
    task::LocalSet,
    time::{sleep, timeout},
};

use guard::{Guard, Log};
use policy::Files;
use report::Report;
use samples::{Sampler, descriptors};
use stage::Stage;

/// How long it takes where no minutes are given, and with `-- --test`.
const MINUTES: Duration = Duration::from_mins(5);
const TEST: Duration = Duration::from_secs(20);

/// More clients than guard remembers (`State::BANS` twice) and the half as many more of whom its tables
/// know that they have forgotten them; a few for a test.
const NEWCOMERS: usize = 450_000;
const FEW: usize = 2_000;

/// How often the server behind is replaced.
const RESTARTS: Duration = Duration::from_secs(8);

/// How long descriptors may stay open when all clients have left: a WebSocket's and a pool's, and more.
const LEAVING: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let minutes = env::args().skip(1).find_map(|arg| arg.parse().ok());
    let lasts = match minutes {
        Some(minutes) => Duration::from_mins(minutes),
        None if is_test() => TEST,
        None => MINUTES,
    };
    let Some(binary) = guard::binary() else {
        eprintln!("no guard; `cargo build --release -p guard` makes one");
        return ExitCode::FAILURE;
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let soak = LocalSet::new();
    let report = soak.block_on(&runtime.expect("a runtime"), soaked(&binary, lasts));
    print!("{report}");
    if report.is_well() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn soaked(binary: &Path, lasts: Duration) -> Report {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let files = Rc::new(Files::write(
        folder.join(format!("soak-{}", std::process::id())),
    ));
    let upstream = upstream::start(RESTARTS);
    let kept = folder.join(format!("soak-of-{}-s", lasts.as_secs()));
    let log = kept.with_extension("log");
    let guard = Guard::start(binary, &files.policy(), upstream.addr, &log);
    let at_rest = descriptors(guard.pid()).expect("a process");
    let sampler = Sampler::of(guard.pid());
    actors::fill(guard.addr, if lasts > TEST { NEWCOMERS } else { FEW }).await;

    let filled = sampler.len();
    let began = Instant::now();
    let mut stage = Stage::new(guard.addr);
    actors::all(&mut stage, &files);
    sleep(lasts).await;
    let lasted = began.elapsed();
    let played = sampler.len();
    let parts = stage.end().await;

    let is_left = async {
        while descriptors(guard.pid()).expect("a process") > at_rest {
            sleep(Duration::from_millis(100)).await;
        }
    };
    // What is still open then is told.
    let _ = timeout(LEAVING, is_left).await;
    let left = descriptors(guard.pid()).expect("a process");
    let taken = sampler.stop();
    let table = kept.with_extension("tsv");
    samples::write(&taken, &table).expect("a file");
    samples::draw(&taken, &kept.with_extension("svg")).expect("a file");
    let ended_well = guard.stop();
    Report {
        lasted,
        parts,
        traffic: taken[filled..played].to_vec(),
        taken,
        descriptors: [at_rest, left],
        restarts: upstream.restarts(),
        ended_well,
        log: Log::read(log),
        table,
    }
}

/// So many bytes, the same for the same seed.
fn body(length: usize, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers::of(seed + 1);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(numbers.next().to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}
