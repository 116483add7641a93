//! The costliest heads that fuzzing found, beside clean heads of their sizes.
//!
//! `cargo bench -p gabion-benches --bench heads [-- FILE..]` counts the instructions of judging the heads of
//! `heads/kept`, or those of the files, layer included and bare service excluded. It prints the ratio of each
//! to its clean counterpart ([`clean_head`]), the costliest first, and fails if a ratio exceeds [`MOST`].
//!
//! `heads/kept` holds the costliest of 11,000 heads: the corpora of the fuzz targets `cost`, `chain`,
//! `protocol_heads`, `path_views` and `client_identity`, and generated ones of up to 8 KiB with many, long or
//! repeated headers, and with random sequences of escapes, separators and dot segments as the path.

#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench reads its inputs and may panic"
)]

use std::{convert::Infallible, env, fs, path::Path, process::ExitCode, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use gabion::Guard;
use gabion_benches::{
    PolicyFiles,
    callgrind::{Callgrind, count},
    is_test,
};
use gabion_testkit::{
    ManualClock,
    laws::{clean_head, policies, read_head},
    peer,
};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer as _, Service, service_fn};

/// The ratio to a clean head that is the goal.
const GOAL: f64 = 3.0;

/// The largest permitted ratio. Short paths with many forms, each of several names, are far above the goal.
const MOST: f64 = 16.0;

/// The option that makes this program judge heads, with the name of a policy and the files.
const JUDGE: &str = "--judge";

/// The policies: the reference policy, and those of the law `cost`.
const POLICIES: [&str; 3] = ["reference", "packs", "packs for Spring"];

/// The trusted proxy that forwards the heads.
const PROXY: &str = "127.0.0.1";

/// Judgments of one head in a count: maps and tables hash with random keys.
const JUDGMENTS: usize = 4;

/// The counts of a head, in instructions per judgment.
struct Counts {
    head: f64,
    clean: f64,
    bare: f64,
    bare_clean: f64,
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, policy, files @ ..] = &args[..]
        && flag == JUDGE
    {
        judge(policy, files);
        return ExitCode::SUCCESS;
    }
    let mut files: Vec<_> = args
        .into_iter()
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    if files.is_empty() {
        files = kept();
    }
    files.retain(|file| read(file).is_some());
    if is_test() {
        for policy in POLICIES {
            judge(policy, &files);
        }
        return ExitCode::SUCCESS;
    }
    let Some(callgrind) = Callgrind::find() else {
        return ExitCode::SUCCESS;
    };
    let ratios = POLICIES.map(|policy| compare(&callgrind, policy, &files));
    let most = ratios.into_iter().fold(0.0, f64::max);
    println!("\nthe costliest head costs {most:.2} times a clean one; the goal is {GOAL}");
    if most > MOST {
        eprintln!("{most:.2} is more than {MOST}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The heads that are kept beside this file.
fn kept() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("heads/kept");
    let files = fs::read_dir(folder).expect("the kept heads");
    let path = |file: std::io::Result<fs::DirEntry>| file.unwrap().path().display().to_string();
    let mut files: Vec<_> = files.map(path).collect();
    files.sort_unstable();
    files
}

fn read(file: &str) -> Option<(Request<()>, usize)> {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    Some((read_head(&bytes)?, bytes.len()))
}

/// Counts the heads and prints them, the costliest first. Returns the largest ratio.
fn compare(callgrind: &Callgrind, policy: &str, files: &[String]) -> f64 {
    let args = [JUDGE, policy]
        .into_iter()
        .chain(files.iter().map(String::as_str));
    let counts = callgrind.counts(args);
    let (counts, rest) = counts.as_chunks();
    assert!(
        rest.is_empty() && counts.len() == files.len(),
        "a head was not counted"
    );
    let counts = counts.iter().map(|&counts| Counts::new(counts));
    let mut rows: Vec<_> = files.iter().zip(counts).collect();
    rows.sort_by(|(_, one), (_, other)| other.ratio().total_cmp(&one.ratio()));
    println!("\n{policy}");
    println!(
        "{:>12}{:>12}{:>8}{:>12}",
        "instructions", "clean", "ratio", "with bare"
    );
    for (file, counts) in &rows {
        let (head, clean) = (counts.head - counts.bare, counts.clean - counts.bare_clean);
        let (ratio, with_bare) = (counts.ratio(), counts.head / counts.clean);
        let name = file.rsplit('/').next().unwrap_or(file);
        println!("{head:>12.0}{clean:>12.0}{ratio:>8.2}{with_bare:>12.2}  {name}");
    }
    rows.first().map_or(0.0, |(_, costliest)| costliest.ratio())
}

/// Judges each head and its clean counterpart, by the layer and by the bare service.
fn judge(policy: &str, files: &[String]) {
    let clock = Arc::new(ManualClock::default());
    let guard = guard(policy, Arc::clone(&clock));
    let mut layered = guard.layer().layer(service_fn(answer));
    let mut bare = service_fn(answer);
    for file in files {
        let (head, bytes) = read(file).expect("a head");
        let clean = clean_head(&head, bytes);
        serve(&mut layered, &head, &clock);
        serve(&mut layered, &clean, &clock);
        serve(&mut bare, &head, &clock);
        serve(&mut bare, &clean, &clock);
    }
}

fn guard(policy: &str, clock: Arc<ManualClock>) -> Guard {
    let guard = Guard::builder().with_compile_budget(Duration::from_hours(1));
    let guard = guard.with_clock(clock);
    let [unknown, spring] = policies();
    match policy {
        "reference" => guard.with_policy_file(PolicyFiles::new().unwrap().policy()),
        "packs" => guard.with_policy(&unknown, policy),
        _ => guard.with_policy(&spring, policy),
    }
    .unwrap()
}

async fn answer(_: Request<()>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::new(Empty::new()))
}

/// Sends a head several times, from [`PROXY`]. The clock advances by a year per request, so that bans
/// expire and limits recover.
fn serve<S, B>(service: &mut S, head: &Request<()>, clock: &ManualClock)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let request = |_| {
        let mut request = head.clone();
        request.extensions_mut().insert(peer(PROXY));
        request
    };
    let mut requests: Vec<_> = (0..2 * JUDGMENTS).map(request).collect();
    count(JUDGMENTS, || {
        let work = requests.split_off(requests.len() - JUDGMENTS);
        let answers = work.into_iter().map(|request| {
            clock.advance(Duration::from_hours(24 * 365));
            service.call(request).now_or_never()
        });
        answers.flatten().count()
    });
}

// === impl Counts ===

impl Counts {
    fn new(counts: [f64; 4]) -> Self {
        let [head, clean, bare, bare_clean] = counts.map(|count| count / JUDGMENTS as f64);
        Self {
            head,
            clean,
            bare,
            bare_clean,
        }
    }

    /// The ratio to the clean head, without the bare service.
    fn ratio(&self) -> f64 {
        (self.head - self.bare) / (self.clean - self.bare_clean)
    }
}
