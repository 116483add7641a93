//! What judging costs.

use std::{
    fmt,
    hint::black_box,
    sync::{Arc, LazyLock},
    time::Instant,
};

use gabion_core::{PolicySource as _, RequestState, Snapshot};
use gabion_inspect::ServerKind;
use gabion_policy::{Document, Pack, PolicyHandle, PolicyOptions, State};
use http::{Request, Uri, header::COOKIE};

use super::head;
use crate::{OwnedHead, Recorder};

/// What judging one head took, and what a clean one of its size takes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Weight {
    /// How long the head is, in bytes.
    pub bytes: usize,
    /// What judging it took, in nanoseconds.
    pub nanos: u64,
    /// What judging a clean one takes, whose path and whose head are as long, in nanoseconds.
    pub clean: u64,
}

/// How often a head is judged: the fastest time counts, which nothing else disturbed.
const RUNS: u32 = 5;

/// How often where it seems to be costly, so that a busy machine is not taken for a costly head.
const SURE: u32 = 50;

/// How many times a clean head's cost seems to be much.
const MUCH: u64 = 4;

/// Judging any head takes no more than twenty times what a clean head of the same size takes, by the
/// policies that a guard has in front of an unknown server and of Spring, with every pack.
///
/// Each step of cost is a branch of its own: a fuzzer takes a costlier head for a new one. What was
/// measured is told; `None` for what is no head.
///
/// # Panics
///
/// Where the law is broken, however often the head is judged.
pub fn cost(bytes: &[u8]) -> Option<Weight> {
    let mut weight = weigh(bytes, RUNS)?;
    if weight.times() > MUCH {
        weight = weigh(bytes, SURE)?;
    }
    climb(weight.per_kib());
    let holds = weight.times() <= Weight::TIMES;
    assert!(holds, "{weight}: {}", bytes.escape_ascii());
    Some(weight)
}

/// Weighs a head by the fastest of `runs`; `None` for what is no head.
pub fn weigh(bytes: &[u8], runs: u32) -> Option<Weight> {
    let request = head::read(bytes)?;
    let clean = clean(bytes.len(), request.uri().path().len());
    Some(Weight {
        bytes: bytes.len(),
        nanos: fastest(OwnedHead::of(request), runs),
        clean: fastest(OwnedHead::of(clean), runs),
    })
}

/// A head of `bytes`, of which `path` are a path of plain words, and the rest a cookie.
fn clean(bytes: usize, path: usize) -> Request<()> {
    let path: String = "/articles".chars().cycle().take(path.max(1)).collect();
    let cookie = "x".repeat(bytes.saturating_sub(path.len()));
    let request = Request::get(path.parse::<Uri>().expect("plain words"));
    let request = request.header("host", "localhost").header(COOKIE, cookie);
    request.body(()).expect("plain words")
}

/// The slower of the policies, at its fastest.
fn fastest(head: OwnedHead, runs: u32) -> u64 {
    let head = head.from("10.0.0.1");
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

static POLICIES: LazyLock<[Arc<Snapshot>; 2]> = LazyLock::new(|| {
    let for_spring = |pack: &Pack| *pack != Pack::Leftovers;
    [
        compile(None, |pack| *pack == Pack::Never),
        compile(Some(ServerKind::Spring), for_spring),
    ]
});

/// What `guard init` writes, where `acts` tells which packs act; the others observe.
fn compile(behind: Option<ServerKind>, acts: impl Fn(&Pack) -> bool) -> Arc<Snapshot> {
    let base = "version = 1\n[client]\ntrusted_proxies = ['10.0.0.0/8']\n\
        [allow]\npaths = ['/.well-known/acme-challenge/']\n[scan]\nmode = 'observe'";
    let mut document = Document::parse(base, "base.toml").expect("a policy that stands here");
    (document.packs, document.observe) = Pack::ALL.into_iter().partition(acts);
    document.server.behind = behind;
    let options =
        PolicyOptions::new(Arc::new(Recorder::default())).with_state(State::with_capacity(4));
    let policy = PolicyHandle::from_document(&document.to_string(), "policy.toml", options);
    policy.unwrap_or_else(|error| panic!("{error}")).current()
}

/// Takes as many branches as there are steps up to a cost, each of them elsewhere in the code.
macro_rules! ladder {
    ($cost:expr, $($step:literal)*) => { $(if $cost >= rung($step) { black_box($step); })* };
}

/// From a quarter of a microsecond per KiB to a dozen milliseconds, by quarters.
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
    /// What judging may take, in nanoseconds, whatever the head: a goal for what ships, since a
    /// fuzzer's counters and assertions make everything slower.
    pub const MOST: u64 = 1_000_000;

    /// How many times a clean head's it may take. A fuzzer's counters and a starved machine make more
    /// of it, so that while fuzzing only a runaway is told; what was found is weighed without them.
    pub const TIMES: u64 = if cfg!(fuzzing) { 100 } else { 20 };

    /// Nanoseconds per KiB; a shorter head counts as one, since each costs something.
    pub fn per_kib(&self) -> u64 {
        let bytes = u64::try_from(self.bytes).unwrap_or(u64::MAX).max(1024);
        self.nanos.saturating_mul(1024) / bytes
    }

    /// How many times the clean head's.
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
            "{nanos} ns for {bytes} bytes, {per_kib} ns per KiB, {times} times a clean one"
        )
    }
}
