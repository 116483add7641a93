//! The scores of all clients.

use std::{fmt, time::Duration};

use gabion_core::{BuildClientKeyHasher, ClientKey, Now};
use ipnet::IpNet;

use super::{exchange::History, uniform_responses::UniformResponses};
use crate::bounded_map::BoundedMap;

/// The scores of clients, and the responses that the service gives to any path. Shared by all
/// threads and kept across policy reloads as part of [`State`](crate::State).
///
/// Some services answer every path alike: a single-page application, or an error page with status
/// 200. A response with the same status and length as those to three different paths is therefore
/// not a probe hit. If the length is unknown, only responses to probes are compared.
///
/// # Capacity
///
/// Of more clients than the capacity, those seen least often are dropped. An entry takes about 120
/// bytes.
pub struct Scores {
    pub(super) clients: BoundedMap<ClientKey, ClientScore, BuildClientKeyHasher>,
    pub(super) uniform_responses: UniformResponses,
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
    /// The total score, and the part of it from exchanges that no page can cause.
    pub(super) score: f32,
    pub(super) certain: f32,
    pub(super) seen: u64,
    pub(super) history: History,
}

// === impl Scores ===

impl Scores {
    /// Creates scores for at most `clients` clients.
    pub fn new(clients: usize) -> Self {
        Self {
            clients: BoundedMap::new(clients),
            uniform_responses: UniformResponses::new(),
        }
    }

    /// Returns the score of a client as of its last change, with every signal since the score was
    /// last below 1. Returns `None` for an unknown client, or if the last change was after `now`.
    pub fn reasons(&self, client: IpNet, now: Now) -> Option<Signals> {
        let score = self.clients.get(client.into())?;
        (score.at <= now.mono()).then(|| score.signals())
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

// === impl ClientScore ===

impl ClientScore {
    pub(super) const fn signals(&self) -> Signals {
        Signals {
            score: self.score,
            bits: self.seen,
        }
    }
}
