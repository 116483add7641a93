//! The growing length of bans.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use gabion_core::{BuildClientKeyHasher, ClientIp, ClientKey, Now, OffenseHistory};
use ipnet::IpNet;

use super::BanConfig;
use crate::{TableUsage, bounded_map::BoundedMap};

/// The offenses of clients, which lengthen their next ban: by [`BanConfig::growth`] for each earlier one, up to
/// [`BanConfig::longest`].
///
/// Half of the offenses are forgotten in each [`BanConfig::forget`] after the end of the last ban. The first
/// ban has the length of its rule. Each further one is up to a quarter longer than computed, at random, so that
/// clients cannot know its end and a wave of bans does not end at once.
///
/// # Capacity
///
/// Of more clients than the capacity, those banned least often are forgotten. An entry takes about 100
/// bytes.
#[derive(Debug)]
pub(super) struct Escalation {
    histories: BoundedMap<ClientKey, History, BuildClientKeyHasher>,
    settings: Mutex<Settings>,
}

/// The length of a ban, and the number of offenses that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) ban_for: Duration,
    pub(super) offenses: u32,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    growth: u32,
    longest: Duration,
    forget: Duration,
}

/// The offenses of a client.
#[derive(Clone, Copy, Debug)]
struct History {
    offenses: u32,
    /// The time of the last offense.
    since: SystemTime,
    /// The end of the last ban.
    last: SystemTime,
}

/// The largest part of a ban that is added to it at random, as its reciprocal.
const JITTER: u32 = 4;

/// The time within which offenses count as one: threads that judge requests of a client at the same time find it
/// not banned yet.
const SAME: Duration = Duration::from_secs(1);

// === impl Escalation ===

impl Escalation {
    pub(super) fn new(clients: usize) -> Self {
        Self {
            histories: BoundedMap::new(clients),
            settings: Mutex::new(Settings::from(&BanConfig::default())),
        }
    }

    pub(super) fn usage(&self) -> TableUsage {
        self.histories.usage("offenders")
    }

    pub(super) fn configure(&self, config: &BanConfig) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = config.into();
    }

    /// Counts an offense of `client`, whose first ban lasts `first`, and returns the length of its ban.
    pub(super) fn count(&self, client: &ClientIp, first: Duration, now: Now) -> Sentence {
        let settings = self.settings();
        self.histories.update(client.into(), |history| {
            let known = history.at(now.wall(), settings.forget);
            let age = now.wall().duration_since(history.since);
            let is_same = known > 0 && age.is_ok_and(|age| age < SAME);
            let offenses = known.saturating_add(u32::from(!is_same));
            let ban_for = match offenses {
                1 => first,
                _ => jitter(settings.length(first, offenses), client.key(), now),
            };
            let ban_for = ban_for.min(settings.longest.max(first));
            let last = now.wall_after(ban_for);
            *history = History {
                offenses,
                since: now.wall(),
                last,
            };
            Sentence { ban_for, offenses }
        })
    }

    /// Returns the number of offenses of a client that count now.
    pub(super) fn offenses(&self, network: IpNet, now: Now) -> u32 {
        let history = self.histories.get(network.into());
        history.map_or(0, |history| history.at(now.wall(), self.settings().forget))
    }

    /// Takes over the history of a client, unless more is known of it.
    pub(super) fn restore(&self, history: &OffenseHistory) {
        if history.offenses == 0 {
            return;
        }
        self.histories.update(history.network.into(), |known| {
            if known.offenses <= history.offenses {
                *known = History {
                    offenses: history.offenses,
                    since: known.since,
                    last: history.last.max(known.last),
                };
            }
        });
    }

    pub(super) fn forget(&self, network: IpNet) {
        self.histories.remove(network.into());
    }

    /// Returns the clients whose offenses count now.
    pub(super) fn list(&self, now: Now) -> Vec<OffenseHistory> {
        let forget = self.settings().forget;
        let histories = self.histories.entries().into_iter();
        let counting = histories.filter(|(_, history)| history.at(now.wall(), forget) > 0);
        let history = |(client, history): (ClientKey, History)| OffenseHistory {
            network: client.network(),
            offenses: history.offenses,
            last: history.last,
        };
        counting.map(history).collect()
    }

    fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Settings ===

impl From<&BanConfig> for Settings {
    fn from(config: &BanConfig) -> Self {
        Self {
            growth: config.growth.into(),
            longest: config.longest.0,
            forget: config.forget.0,
        }
    }
}

impl Settings {
    /// Returns the length of the ban for the given number of offenses. A rule whose own bans are longer than
    /// [`BanConfig::longest`] keeps their length.
    fn length(self, first: Duration, offenses: u32) -> Duration {
        let factor = self.growth.saturating_pow(offenses.saturating_sub(1));
        first.saturating_mul(factor).min(self.longest.max(first))
    }
}

// === impl History ===

impl Default for History {
    fn default() -> Self {
        Self {
            offenses: 0,
            since: SystemTime::UNIX_EPOCH,
            last: SystemTime::UNIX_EPOCH,
        }
    }
}

impl History {
    /// Returns the offenses that count at `now`. Wall-clock time, since a history outlives the process: a jump
    /// of the clock by days forgets or keeps offenses, but changes no ban in force.
    fn at(self, now: SystemTime, forget: Duration) -> u32 {
        let elapsed = now.duration_since(self.last).unwrap_or_default();
        let halvings = elapsed.as_secs().checked_div(forget.as_secs().max(1));
        let halvings = u32::try_from(halvings.unwrap_or(0)).unwrap_or(u32::MAX);
        self.offenses.checked_shr(halvings).unwrap_or(0)
    }
}

/// Lengthens a ban by up to a quarter. The key of a client is hashed with the secret of the process, so
/// clients cannot predict the length.
fn jitter(ban_for: Duration, client: u64, now: Now) -> Duration {
    let mixed = (client ^ u64::from(now.mono().subsec_nanos()) ^ now.mono().as_secs() << 32)
        .wrapping_mul(super::standing::MULTIPLIER);
    let share = u32::try_from(mixed >> 56).unwrap_or(0);
    let most = ban_for.checked_div(JITTER).unwrap_or_default();
    ban_for.saturating_add(
        most.saturating_mul(share)
            .checked_div(255)
            .unwrap_or_default(),
    )
}
