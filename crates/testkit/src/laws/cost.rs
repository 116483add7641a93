//! A law of the time that judging a request takes.

use std::{
    fmt,
    hint::black_box,
    sync::{Arc, LazyLock},
    time::Instant,
};

use gabion_core::{PolicySource as _, RequestState, Snapshot};
use gabion_inspect::ServerKind;
use gabion_policy::{Document, Pack, PolicyHandle, PolicyOptions, State};
use http::{
    Request, Uri,
    header::{COOKIE, HOST},
};

use super::head;
use crate::{OwnedHead, Recorder};

/// The time to judge a head, and that of a clean head of the same size.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Weight {
    /// The length of the head, in bytes.
    pub bytes: usize,
    /// The time to judge the head, in nanoseconds.
    pub nanos: u64,
    /// The time to judge a clean head with the same length of head and path, in nanoseconds.
    pub clean: u64,
}

/// The number of measurements of a head. The fastest counts, which other load disturbs least.
const RUNS: u32 = 5;

/// The number of measurements of a head that seems expensive, to rule out load of the machine.
const RUNS_IF_EXPENSIVE: u32 = 50;

/// A head seems expensive above this multiple of a clean head's time.
const EXPENSIVE: u64 = 4;

/// Checks that judging any head takes at most 80 times as long as a clean head of the same size
/// ([`Weight::TIMES`]), with guard's policies for an unknown server and for Spring and with every pack.
///
/// Each step of cost is a separate branch, so that a fuzzer treats a more expensive head as new coverage.
/// Returns the measurement, or `None` if `bytes` are not a request head.
///
/// # Panics
///
/// Panics if the law is broken in all measurements.
pub fn cost(bytes: &[u8]) -> Option<Weight> {
    let mut weight = weigh(bytes, RUNS)?;
    if weight.times() > EXPENSIVE {
        weight = weigh(bytes, RUNS_IF_EXPENSIVE)?;
    }
    climb(weight.per_kib());
    let holds = weight.times() <= Weight::TIMES;
    assert!(holds, "{weight}: {}", bytes.escape_ascii());
    Some(weight)
}

/// Measures a head, as the fastest of `runs`. Returns `None` if `bytes` are not a request head.
pub fn weigh(bytes: &[u8], runs: u32) -> Option<Weight> {
    let request = head::read(bytes)?;
    let clean = clean_head(&request, bytes.len());
    Some(Weight {
        bytes: bytes.len(),
        nanos: fastest(OwnedHead::from_request(request), runs),
        clean: fastest(OwnedHead::from_request(clean), runs),
    })
}

/// Builds the clean counterpart of `request`, which takes `bytes` bytes: the same path, in which letters
/// replace all bytes but those of plain names and the slashes between them; and as many header lines, the
/// last of them a cookie that takes the rest.
pub fn clean_head(request: &Request<()>, bytes: usize) -> Request<()> {
    let mut path = String::from("/");
    for byte in request.uri().path().bytes().skip(1) {
        let is_plain = byte.is_ascii_alphanumeric() || byte == b'/' && !path.ends_with('/');
        path.push(if is_plain { byte.into() } else { 'x' });
    }
    let mut clean = Request::get(path.parse::<Uri>().expect("plain words"));
    clean = clean.header(HOST, "localhost");
    for nth in 2..request.headers().len() {
        clean = clean.header(format!("x-app-{nth}"), "1");
    }
    let mut clean = clean.body(()).expect("plain words");
    let rest = bytes.saturating_sub(head::write(&clean).len() + "cookie: \r\n".len());
    let cookie = "x".repeat(rest).parse().expect("a plain word");
    clean.headers_mut().insert(COOKIE, cookie);
    clean
}

/// Returns the fastest run of the slowest policy, in nanoseconds.
fn fastest(head: OwnedHead, runs: u32) -> u64 {
    let head = head.from("127.0.0.1");
    let slowest = POLICIES.iter().map(|policy| {
        let times = (0..runs).map(|_| judge(policy, &head));
        times.min().unwrap_or_default()
    });
    slowest.max().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn judge(policy: &Snapshot, head: &OwnedHead) -> u64 {
    let began = Instant::now();
    let facts = head.facts(&policy.client);
    let mut state = RequestState::new(&facts);
    black_box(policy.chain.inspect(&facts, &mut state));
    drop(black_box((facts, state)));
    began.elapsed().as_nanos().try_into().unwrap_or(u64::MAX)
}

static POLICIES: LazyLock<[Arc<Snapshot>; 2]> =
    LazyLock::new(|| policies().map(|policy| compile(&policy)));

/// The policies of the law, as `guard init` writes them: for an unknown server and for Spring, with every
/// pack. They trust proxies in 127.0.0.0/8.
pub fn policies() -> [String; 2] {
    let for_spring = |pack: &Pack| !matches!(pack, Pack::Leftovers | Pack::NoJsp);
    [
        policy(None, |pack| *pack == Pack::Never),
        policy(Some(ServerKind::Spring), for_spring),
    ]
}

/// Writes a policy. Packs for which `enforces` is `false` are in observe mode.
fn policy(behind: Option<ServerKind>, enforces: impl Fn(&Pack) -> bool) -> String {
    let base = "version = 1\n[client]\ntrusted_proxies = ['127.0.0.0/8']\n\
        [allow]\npaths = ['/.well-known/acme-challenge/']\n[scan]\nmode = 'observe'";
    let mut document = Document::parse(base, "base.toml").expect("the constant policy is valid");
    (document.packs, document.observe) = Pack::ALL.into_iter().partition(enforces);
    document.server.behind = behind;
    document.to_string()
}

fn compile(policy: &str) -> Arc<Snapshot> {
    let options =
        PolicyOptions::new(Arc::new(Recorder::default())).with_state(State::with_capacity(4));
    let policy = PolicyHandle::from_document(policy, "policy.toml", options);
    policy.unwrap_or_else(|error| panic!("{error}")).current()
}

/// Takes one branch for each step up to `$cost`, each at a different place in the code.
macro_rules! ladder {
    ($cost:expr, $($step:literal)*) => { $(if $cost >= rung($step) { black_box($step); })* };
}

/// Steps from 250 ns to 9 ms per KiB, each a quarter more than the one before.
#[inline(never)]
fn climb(cost: u64) {
    ladder!(cost, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23);
    ladder!(cost, 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47);
}

const fn rung(step: u32) -> u64 {
    let (mut rung, mut below) = (250, 0);
    while below < step {
        rung += rung / 4;
        below += 1;
    }
    rung
}

// === impl Weight ===

impl Weight {
    /// The maximum time to judge any head, in nanoseconds. It applies to release builds: a fuzzer's
    /// counters and assertions make everything slower.
    pub const MOST: u64 = 1_000_000;

    /// The maximum ratio to a clean head's time. The costliest known heads take 40 times the instructions
    /// (`--bench heads`). A fuzzer's counters and an overloaded machine increase the ratio, so fuzzing
    /// reports only ratios above 160; findings are measured again without a fuzzer.
    pub const TIMES: u64 = if cfg!(fuzzing) { 160 } else { 80 };

    /// Nanoseconds per KiB. A head shorter than 1 KiB counts as 1 KiB, because of the fixed cost per head.
    pub fn per_kib(&self) -> u64 {
        let bytes = u64::try_from(self.bytes).unwrap_or(u64::MAX).max(1024);
        self.nanos.saturating_mul(1024) / bytes
    }

    /// The ratio to the clean head's time.
    pub fn times(&self) -> u64 {
        self.nanos / self.clean.max(1)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, nanos) = (self.bytes, self.nanos);
        let (per_kib, times) = (self.per_kib(), self.times());
        write!(
            f,
            "{nanos} ns for {bytes} bytes, {per_kib} ns per KiB, {times} times a clean head"
        )
    }
}
