//! Where actors play, and what is noted of each.

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

/// Does the same again and again.
pub(crate) trait Actor: 'static {
    /// Does it once. An error tells what guard should not have done.
    async fn act(&mut self) -> Result<(), String>;
}

/// Guard before its audience.
pub(crate) struct Stage {
    pub(crate) addr: SocketAddr,
    ended: watch::Sender<bool>,
    lanes: JoinSet<()>,
    parts: Vec<Rc<Part>>,
}

/// Tells when it is over.
#[derive(Clone)]
pub(crate) struct Curtain(watch::Receiver<bool>);

/// How the actors of one name fare.
pub(crate) struct Part {
    name: &'static str,
    /// What takes longer than a short soak need not have been done once.
    takes: Duration,
    done: AtomicU64,
    failed: AtomicU64,
    slowest: AtomicU64,
}

/// How many failures of one part are told in full.
const TOLD: u64 = 10;

/// Clients that nobody has met, one after the other: public addresses that the reference policy does
/// not ban.
pub(crate) fn stranger() -> [u8; 4] {
    static MET: AtomicU32 = AtomicU32::new(0);
    let nth = MET.fetch_add(1, Ordering::Relaxed) % (1 << 23);
    let [_, b, c, d] = nth.to_be_bytes();
    [100, 128 | b, c, d]
}

/// One of a few thousand that come again and again.
pub(crate) const fn regular(nth: usize) -> [u8; 4] {
    let [.., c, d] = (nth % 4096).to_be_bytes();
    [203, 1, c, d]
}

/// The header that says who asks.
pub(crate) fn forwarded(client: [u8; 4]) -> String {
    let [a, b, c, d] = client;
    format!("X-Forwarded-For: {a}.{b}.{c}.{d}\r\n")
}

// === impl Stage ===

impl Stage {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            ended: watch::Sender::new(false),
            lanes: JoinSet::new(),
            parts: Vec::new(),
        }
    }

    pub(crate) fn curtain(&self) -> Curtain {
        Curtain(self.ended.subscribe())
    }

    /// Has so many actors act, each `every` so often, or one after the other where that is shorter
    /// than an act, which `takes` about so long.
    pub(crate) fn play<A: Actor>(
        &mut self,
        name: &'static str,
        lanes: usize,
        [every, takes]: [Duration; 2],
        mut actor: impl FnMut(usize) -> A,
    ) {
        let part = Rc::new(Part::new(name, takes));
        self.parts.push(Rc::clone(&part));
        for lane in 0..lanes {
            let mut actor = actor(lane);
            let (part, mut curtain) = (Rc::clone(&part), self.curtain());
            // They do not all begin at once.
            let first =
                Instant::now() + every * lane.try_into().unwrap() / lanes.try_into().unwrap();
            self.lanes.spawn_local(async move {
                let mut ticks = interval_at(first, every);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    select! {
                        biased;
                        () = curtain.falls() => return,
                        _ = ticks.tick() => {}
                    }
                    let began = Instant::now();
                    match actor.act().await {
                        Ok(()) => part.did(began.elapsed()),
                        Err(why) => part.failed(&why),
                    }
                }
            });
        }
    }

    /// Has all come to an end, and tells how they fared.
    pub(crate) async fn end(mut self) -> Vec<Rc<Part>> {
        self.ended.send_replace(true);
        let died = Part::new("died", Duration::MAX);
        while let Some(ended) = self.lanes.join_next().await {
            if let Err(error) = ended {
                died.failed(&error.to_string());
            }
        }
        self.parts.push(Rc::new(died));
        self.parts
    }
}

// === impl Curtain ===

impl Curtain {
    pub(crate) async fn falls(&mut self) {
        let _ = self.0.wait_for(|ended| *ended).await;
    }
}

// === impl Part ===

impl Part {
    const fn new(name: &'static str, takes: Duration) -> Self {
        Self {
            name,
            takes,
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            slowest: AtomicU64::new(0),
        }
    }

    fn did(&self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap();
        self.slowest.fetch_max(millis, Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn failed(&self, why: &str) {
        if self.failed.fetch_add(1, Ordering::Relaxed) < TOLD {
            eprintln!("{}: {why}", self.name);
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether all went well, and something was done at all in a play of that length.
    pub(crate) fn is_well(&self, lasted: Duration) -> bool {
        let idle = self.done.load(Ordering::Relaxed) == 0 && self.takes.saturating_mul(2) < lasted;
        self.failed.load(Ordering::Relaxed) == 0 && !idle
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [done, failed, slowest] =
            [&self.done, &self.failed, &self.slowest].map(|count| count.load(Ordering::Relaxed));
        write!(f, "{:<28}{done:>10}{failed:>8}{slowest:>12}", self.name)
    }
}
