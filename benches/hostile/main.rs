//! guard under attack by hostile clients of each kind ([`kind`]), beside nginx.
//!
//! `benches/hostile/run [--strict] [--rounds N] [KIND...]`, by default three rounds of all kinds
//!
//! In each round, a new proxy first serves honest clients alone, and then beside the hostile ones. The measures
//! are the highest memory of the proxy, the latencies of the honest requests in both windows, and their ratio.
//! In the first round, the bench also waits until the last hostile connection is cut, while the next kinds are
//! measured.
//!
//! The proxy has one core for itself. The honest clients, the upstream server and, with lower priority, the
//! hostile clients share the other; requests to the upstream server without a proxy show whether that core was
//! busy. With `--strict` the bench fails if guard misses a goal.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench reads the system's state and may panic"
)]

mod address;
mod attack;
mod honest;
mod kind;
mod report;
mod testbed;
mod upstream;

use std::{
    env,
    net::SocketAddr,
    process::ExitCode,
    thread::{self, JoinHandle},
    time::Duration,
};

use gabion_benches::{
    is_test,
    process::{OTHER_CORE, stay_on},
};
use tokio::{join, runtime::Builder, task::LocalSet};

use attack::Cuts;
use kind::{KINDS, Kind};
use report::{Round, Row, Sample};
use testbed::{Proxy, Target, Testbed};

/// The arguments.
struct Options {
    kinds: Vec<&'static Kind>,
    rounds: usize,
    strict: bool,
    windows: Windows,
}

/// The durations of one round.
#[derive(Clone, Copy)]
struct Windows {
    /// Without hostile clients, before the measurement.
    warm_up: Duration,
    /// Without hostile clients.
    quiet: Duration,
    /// With hostile clients.
    attack: Duration,
}

/// A wait for the end of hostile connections, in a thread.
struct Wait(JoinHandle<(Cuts, u64)>);

const ROUNDS: usize = 3;

const WINDOWS: Windows = Windows {
    warm_up: Duration::from_millis(500),
    quiet: Duration::from_secs(2),
    attack: Duration::from_secs(5),
};

/// Those of a smoke test (`-- --test`), with a twentieth of the clients.
const TEST: Windows = Windows {
    warm_up: Duration::from_millis(50),
    quiet: Duration::from_millis(200),
    attack: Duration::from_millis(500),
};
const TEST_SHARE: u32 = 20;

/// The longest wait for the end of hostile connections.
const WAIT: Duration = Duration::from_secs(90);

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match &args[..] {
        [role, addr] if role == upstream::ROLE => {
            upstream::serve(addr.parse().expect("an address"));
            return ExitCode::SUCCESS;
        }
        [role, kind, addr, clients] if role == attack::ROLE => {
            attack::run(kind, addr, clients);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let options = match Options::from_args(&args) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    stay_on(OTHER_CORE);
    let Some(testbed) = Testbed::start() else {
        return ExitCode::SUCCESS;
    };
    if !testbed.addresses.are_public() {
        eprintln!(
            "note: clients have loopback addresses, to which guard's limits per client do not apply"
        );
    }
    let missed = report::print(&measure(&testbed, &options));
    if options.strict && missed > 0 {
        eprintln!("guard misses {missed} goals");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Measures all rounds.
fn measure(testbed: &Testbed, options: &Options) -> Vec<Row> {
    let mut rows: Vec<(Row, Option<Wait>)> = Vec::new();
    for kind in &options.kinds {
        for proxy in testbed.proxies(kind) {
            let row = Row {
                kind,
                proxy,
                rounds: Vec::new(),
                cuts: None,
            };
            rows.push((row, None));
        }
    }
    for nth in 0..options.rounds {
        for (row, wait) in &mut rows {
            let (round, target, attack) =
                attack_once(testbed, row.kind, row.proxy, options.windows);
            eprintln!("round {}: {}, {}", nth + 1, row.kind.name, row.proxy);
            row.rounds.push(round);
            if nth == 0 && !is_test() {
                *wait = Some(Wait::start(target, attack));
            }
        }
    }
    let collect = |(mut row, wait): (Row, Option<Wait>)| {
        if let Some(Wait(thread)) = wait {
            let (cuts, memory) = thread.join().expect("the wait does not panic");
            row.rounds[0].memory = memory;
            row.cuts = Some(cuts);
        }
        row
    };
    rows.into_iter().map(collect).collect()
}

/// Attacks a new proxy. Returns the results, with the proxy and the attack, which goes on.
fn attack_once(
    testbed: &Testbed,
    kind: &'static Kind,
    proxy: Proxy,
    windows: Windows,
) -> (Round, Target, attack::Running) {
    let target = testbed.start_proxy(proxy, kind);
    let sample = |lasts| sample(testbed, target.running.addr, lasts);
    sample(windows.warm_up);
    let quiet = sample(windows.quiet);
    let clients = if is_test() {
        kind.clients.div_ceil(TEST_SHARE)
    } else {
        kind.clients
    };
    let attack = attack::Running::start(kind, target.hostile, clients);
    let attacked = sample(windows.attack);
    let memory = target.running.peak();
    (
        Round {
            quiet,
            attacked,
            memory,
        },
        target,
        attack,
    )
}

/// Sends honest requests for this time, through the proxy at `addr` and directly to the upstream server.
fn sample(testbed: &Testbed, addr: SocketAddr, lasts: Duration) -> Sample {
    let runtime = Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), async {
        let upstream = testbed.upstream.addr;
        let (proxied, direct) = join!(
            honest::measure(addr, |nth| testbed.addresses.honest(nth), lasts),
            honest::measure(upstream, |_| upstream.ip(), lasts),
        );
        Sample { proxied, direct }
    })
}

// === impl Wait ===

impl Wait {
    /// Waits for the end of all connections of `attack`. The result includes the highest memory until then.
    fn start(target: Target, attack: attack::Running) -> Self {
        Self(thread::spawn(move || {
            let cuts = attack.wait(WAIT);
            (cuts, target.running.peak())
        }))
    }
}

// === impl Options ===

impl Options {
    fn from_args(args: &[String]) -> Result<Self, String> {
        let (windows, rounds) = if is_test() {
            (TEST, 1)
        } else {
            (WINDOWS, ROUNDS)
        };
        let mut options = Self {
            kinds: Vec::new(),
            rounds,
            strict: false,
            windows,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo passes `--bench`.
                "--bench" | "--test" => {}
                "--strict" => options.strict = true,
                "--rounds" => {
                    let rounds = args.next().and_then(|rounds| rounds.parse().ok());
                    let rounds = rounds.filter(|rounds| *rounds > 0);
                    options.rounds = rounds.ok_or("--rounds needs a number above 0")?;
                }
                name => options.kinds.push(Kind::named(name).ok_or_else(|| {
                    let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
                    format!("unknown kind `{name}`; the kinds are {}", names.join(", "))
                })?),
            }
        }
        if options.kinds.is_empty() {
            options.kinds = KINDS.iter().collect();
        }
        Ok(options)
    }
}
