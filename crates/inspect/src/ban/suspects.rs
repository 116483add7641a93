//! Clients under suspicion.

use std::time::Duration;

use gabion_core::{BuildClientKeyHasher, ClientKey, Now};

use crate::{TableUsage, bounded_map::BoundedMap};

/// The clients that requested suspicious paths, which a page could have caused them to do.
#[derive(Debug)]
pub(super) struct Suspects(BoundedMap<ClientKey, Suspect, BuildClientKeyHasher>);

/// The different paths for which a client is under suspicion.
#[derive(Clone, Debug, Default)]
struct Suspect {
    paths: [Option<u64>; PATHS],
    repeats: u32,
    last: Duration,
}

/// The number of different paths that are evidence for a ban.
pub(super) const PATHS: usize = 3;

/// The time after the last suspicious path in which earlier paths count.
pub(super) const MEMORY: Duration = Duration::from_mins(10);

/// The number of repetitions of suspicious paths that count as another path.
pub(super) const REPEATS: u32 = 8;

// === impl Suspects ===

impl Suspects {
    pub(super) fn new(clients: usize) -> Self {
        Self(BoundedMap::new(clients))
    }

    /// Returns the number of different paths for which `client` is under suspicion, including
    /// `path`.
    pub(super) fn add(&self, client: ClientKey, path: u64, now: Now) -> usize {
        self.0.update(client, |suspect| suspect.add(path, now))
    }

    pub(super) fn forget(&self, client: ClientKey) {
        self.0.remove(client);
    }

    pub(super) fn usage(&self) -> TableUsage {
        self.0.usage("suspects")
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

// === impl Suspect ===

impl Suspect {
    fn add(&mut self, path: u64, now: Now) -> usize {
        if now.mono().saturating_sub(self.last) > MEMORY {
            *self = Self::default();
        }
        self.last = now.mono();
        if self.paths.contains(&Some(path)) {
            self.repeats = self.repeats.saturating_add(1);
        } else if let Some(free) = self.paths.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(path);
        }
        let paths = self.paths.iter().flatten().count();
        let repeated = usize::try_from(self.repeats / REPEATS).unwrap_or(usize::MAX);
        paths.saturating_add(repeated)
    }
}
