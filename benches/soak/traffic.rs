//! Runs clients at steady rates and records the results of each kind.

use std::{
    fmt,
    net::SocketAddr,
    rc::Rc,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    select,
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at},
};

/// A kind of client, which repeats the same work.
pub(crate) trait Client: 'static {
    /// Does the work once.
    ///
    /// # Errors
    ///
    /// Returns a description of the wrong behavior of guard.
    async fn run(&mut self) -> Result<(), String>;
}

/// All running clients.
pub(crate) struct Traffic {
    /// The address of guard.
    pub(crate) addr: SocketAddr,
    ended: watch::Sender<bool>,
    tasks: JoinSet<()>,
    stats: Vec<Rc<Stats>>,
}

/// Signals the end of the soak to clients.
#[derive(Clone)]
pub(crate) struct StopSignal(watch::Receiver<bool>);

/// The results of one kind of client.
pub(crate) struct Stats {
    name: &'static str,
    /// The usual duration of the work. A short soak may end before the first success.
    takes: Duration,
    done: AtomicU64,
    failed: AtomicU64,
    /// Milliseconds.
    slowest: AtomicU64,
}

/// The number of failures that are printed for each kind of client.
const PRINTED: u64 = 10;

/// Returns an address that no client has used before: a public address that the reference policy does not
/// ban. Addresses in a row are in different /24, since only a few bans are placed in each.
pub(crate) fn new_address() -> [u8; 4] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed) % (1 << 23);
    let [_, b, c, d] = (nth.reverse_bits() >> 9).to_be_bytes();
    [100, 128 | b, c, d]
}

/// Returns one of 4,096 addresses that several clients use.
pub(crate) const fn returning_address(nth: usize) -> [u8; 4] {
    let [.., c, d] = (nth % 4096).to_be_bytes();
    [203, 1, c, d]
}

/// Formats the header that names the client.
pub(crate) fn forwarded(client: [u8; 4]) -> String {
    let [a, b, c, d] = client;
    format!("X-Forwarded-For: {a}.{b}.{c}.{d}\r\n")
}

// === impl Traffic ===

impl Traffic {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            ended: watch::Sender::new(false),
            tasks: JoinSet::new(),
            stats: Vec::new(),
        }
    }

    /// Returns a signal of the end.
    pub(crate) fn stop(&self) -> StopSignal {
        StopSignal(self.ended.subscribe())
    }

    /// Spawns `tasks` clients of one kind. Each starts its work once per `every`, or immediately after the
    /// last time if the work, which usually `takes` so long, takes longer.
    pub(crate) fn spawn<A: Client>(
        &mut self,
        name: &'static str,
        tasks: usize,
        [every, takes]: [Duration; 2],
        mut client: impl FnMut(usize) -> A,
    ) {
        let stats = Rc::new(Stats::new(name, takes));
        self.stats.push(Rc::clone(&stats));
        for index in 0..tasks {
            let mut client = client(index);
            let (stats, mut stop) = (Rc::clone(&stats), self.stop());
            // Start times are spread over one period.
            let first =
                Instant::now() + every * index.try_into().unwrap() / u32::try_from(tasks).unwrap();
            self.tasks.spawn_local(async move {
                let mut ticks = interval_at(first, every);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    select! {
                        biased;
                        () = stop.stopped() => return,
                        _ = ticks.tick() => {}
                    }
                    let start = Instant::now();
                    match client.run().await {
                        Ok(()) => stats.record_success(start.elapsed()),
                        Err(why) => stats.record_failure(&why),
                    }
                }
            });
        }
    }

    /// Stops all clients and returns their results.
    pub(crate) async fn end(mut self) -> Vec<Rc<Stats>> {
        self.ended.send_replace(true);
        let panicked = Stats::new("panicked", Duration::MAX);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                panicked.record_failure(&error.to_string());
            }
        }
        self.stats.push(Rc::new(panicked));
        self.stats
    }
}

// === impl StopSignal ===

impl StopSignal {
    pub(crate) async fn stopped(&mut self) {
        let _ = self.0.wait_for(|ended| *ended).await;
    }
}

// === impl Stats ===

impl Stats {
    const fn new(name: &'static str, takes: Duration) -> Self {
        Self {
            name,
            takes,
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            slowest: AtomicU64::new(0),
        }
    }

    fn record_success(&self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap();
        self.slowest.fetch_max(millis, Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn record_failure(&self, why: &str) {
        if self.failed.fetch_add(1, Ordering::Relaxed) < PRINTED {
            eprintln!("{}: {why}", self.name);
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns `true` if nothing failed, and at least one run succeeded in a soak that was long enough.
    pub(crate) fn is_success(&self, lasted: Duration) -> bool {
        let idle = self.done.load(Ordering::Relaxed) == 0 && self.takes.saturating_mul(2) < lasted;
        self.failed.load(Ordering::Relaxed) == 0 && !idle
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [done, failed, slowest] =
            [&self.done, &self.failed, &self.slowest].map(|count| count.load(Ordering::Relaxed));
        write!(f, "{:<28}{done:>10}{failed:>8}{slowest:>12}", self.name)
    }
}
