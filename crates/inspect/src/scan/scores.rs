//! The scores of all clients.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use gabion_core::{BuildClientKeyHasher, ClientIp, ClientKey, Now};
use ipnet::IpNet;

use super::{
    exchange::History, health::Health, target::Target, uniform_responses::UniformResponses,
};
use crate::{TableUsage, bounded_map::BoundedMap, lossy_set::LossySet};

/// The scores of clients, and what the responses of the service show: the pages that it has, and the
/// responses that it gives to any path. Shared by all threads and kept across policy reloads as part of
/// [`State`](crate::State).
///
/// Some services answer every path alike: a single-page application, or an error page with status
/// 200. A response with the same status and length as those to three different pages is therefore
/// not a probe hit, and shows that the page is missing. If the length is unknown, only responses to
/// probes are compared.
///
/// # Capacity
///
/// Of more clients than the capacity, those seen least often are dropped; repeated visits of a page do not
/// count. An entry takes about 370 bytes.
pub struct Scores {
    pub(super) clients: BoundedMap<ClientKey, ClientScore, BuildClientKeyHasher>,
    pub(super) uniform_responses: UniformResponses,
    /// The pages ([`Target::page`]) that the service served lately.
    pub(super) known_pages: LossySet,
    pub(super) health: Health,
    /// Visits that are in the history of their client, so that another one changes nothing. Saves the lock of
    /// `clients`.
    pub(super) visits: LossySet,
    /// The second, by the monotonic clock, until which some client has a high score.
    high_until: AtomicU64,
}

/// A score and the names of the signals that contributed to it, from
/// [`Scores::reasons`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signals {
    score: f32,
    pub(super) bits: u64,
}

/// The score of a client, and the signals that contributed to it.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientScore {
    pub(super) at: Duration,
    /// The score.
    pub(super) total: f32,
    /// The part from exchanges that no page of another origin caused, by the browser's report.
    pub(super) own: f32,
    /// The part from exchanges that no page can cause.
    pub(super) certain: f32,
    pub(super) seen: u64,
    pub(super) history: History,
}

// === impl Scores ===

impl Scores {
    /// The number of pages that are known.
    const PAGES: usize = 1 << 14;

    /// The number of visits that are known to be in a history.
    const VISITS: usize = 1 << 14;

    /// Creates scores for at most `clients` clients.
    pub fn new(clients: usize) -> Self {
        Self {
            clients: BoundedMap::new(clients),
            uniform_responses: UniformResponses::new(),
            known_pages: LossySet::new(Self::PAGES),
            health: Health::default(),
            visits: LossySet::new(Self::VISITS),
            high_until: AtomicU64::new(0),
        }
    }

    /// Returns the score of a client as of its last change, with every signal since the score was
    /// last below 1. Returns `None` for an unknown client, or if the last change was after `now`.
    pub fn reasons(&self, client: IpNet, now: Now) -> Option<Signals> {
        let score = self.clients.get(client.into())?;
        (score.at <= now.mono()).then(|| score.signals())
    }

    /// Returns the use of the table of clients, as `scores`.
    pub fn usage(&self) -> TableUsage {
        self.clients.usage("scores")
    }

    /// Returns `false` if certainly no client has a high score.
    pub(super) fn may_be_high(&self, now: Now) -> bool {
        now.mono().as_secs() < self.high_until.load(Ordering::Relaxed)
    }

    /// Records that a client has a high score until `until`.
    pub(super) fn set_high(&self, until: Duration) {
        let end = until.as_secs().saturating_add(1);
        self.high_until.fetch_max(end, Ordering::Relaxed);
    }
}

impl fmt::Debug for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scores")
            .field("clients", &self.clients.len())
            .finish_non_exhaustive()
    }
}

// === impl Signals ===

impl Signals {
    /// Returns the score.
    pub const fn score(self) -> f32 {
        self.score
    }
}

/// The number of a client's visit of a page that the service served, in one period of its history.
pub(super) fn visit(client: &ClientIp, target: Target, period: u32) -> u64 {
    client.key() ^ target.packed() ^ u64::from(period).rotate_left(16)
}

// === impl ClientScore ===

impl ClientScore {
    pub(super) const fn signals(&self) -> Signals {
        Signals {
            score: self.total,
            bits: self.seen,
        }
    }
}
