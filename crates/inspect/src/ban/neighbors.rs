//! Bans of whole networks.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gabion_core::{BuildClientKeyHasher, ClientIp, ClientKey, Mode, Now};
use ipnet::IpNet;

use super::NeighborsConfig;
use crate::{TableUsage, bounded_map::BoundedMap, lossy_set::LossySet, timed_map::surrounding};

/// Counts the banned clients of each /24 or /48, and decides when the whole network is banned:
/// [`NeighborsConfig`].
///
/// # Capacity
///
/// Of more than [`MAX_NETWORKS`] networks, those with the fewest bans are forgotten.
#[derive(Debug)]
pub(super) struct Neighbors {
    networks: BoundedMap<ClientKey, Offenders, BuildClientKeyHasher>,
    /// Networks with a client in good standing, by [`Self::number`].
    good: LossySet,
    config: Mutex<NeighborsConfig>,
}

/// The banned clients of a network.
#[derive(Clone, Debug, Default)]
struct Offenders {
    /// [`ClientIp::key`] of each, as many as [`NeighborsConfig::MOST`].
    clients: Vec<u64>,
    first: Duration,
}

/// The maximum number of networks whose banned clients are counted.
const MAX_NETWORKS: usize = 4096;

/// The number of networks that are known to have a client in good standing.
const GOOD: usize = 4096;

// === impl Neighbors ===

impl Neighbors {
    pub(super) fn new() -> Self {
        Self {
            networks: BoundedMap::new(MAX_NETWORKS),
            good: LossySet::new(GOOD),
            config: Mutex::default(),
        }
    }

    pub(super) fn usage(&self) -> TableUsage {
        self.networks.usage("neighbors")
    }

    pub(super) fn configure(&self, config: &NeighborsConfig) {
        config.clone_into(&mut self.config.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Records that a client of this network gained good standing in a period.
    pub(super) fn record_good(&self, client: &ClientIp, period: u64) {
        self.good
            .insert(number(surrounding(client.network()), period));
    }

    /// Counts a ban of `client`. Returns the network around it if that is to be banned too, with the mode.
    ///
    /// Never the network of a client in good standing in this or the last `period`, since others share it; nor
    /// one that [`NeighborsConfig::except`] touches.
    pub(super) fn count(&self, client: &ClientIp, now: Now, period: u64) -> Option<(IpNet, Mode)> {
        let network = surrounding(client.network());
        if network == client.network() {
            return None;
        }
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let offenders = self.networks.update(network.into(), |offenders| {
            offenders.add(client.key(), now, config.within.0)
        });
        let periods = [Some(period), period.checked_sub(1)];
        let is_shared = || {
            let mut numbers = periods
                .into_iter()
                .flatten()
                .map(|period| number(network, period));
            numbers.any(|number| self.good.contains(number))
        };
        let is_exempt = || {
            config
                .except
                .iter()
                .any(|except| overlap(except.net(), network))
        };
        let is_banned = offenders >= usize::from(config.clients) && !is_shared() && !is_exempt();
        is_banned.then(|| (network, config.mode.unwrap_or(Mode::Observe)))
    }
}

// === impl Offenders ===

impl Offenders {
    /// Adds a client and returns the number of different ones within the time.
    fn add(&mut self, client: u64, now: Now, within: Duration) -> usize {
        if now.mono().saturating_sub(self.first) > within {
            self.clients.clear();
        }
        if self.clients.is_empty() {
            self.first = now.mono();
        }
        let has_room = self.clients.len() < usize::from(NeighborsConfig::MOST);
        if has_room && !self.clients.contains(&client) {
            self.clients.push(client);
        }
        self.clients.len()
    }
}

/// The number of a network in a period.
fn number(network: IpNet, period: u64) -> u64 {
    ClientIp::key_of(network).rotate_left(32) ^ period
}

fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}
