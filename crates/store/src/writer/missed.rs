//! Removals that a file missed, which a snapshot does not show.

use std::collections::HashSet;

use gabion_core::{BanSnapshot, BanUpdate};
use ipnet::IpNet;

/// The networks that were lifted, exempted no longer or forgotten while a file did not work.
///
/// A file that is read later contains their old rows. At most [`Missed::MAX`] of each kind are kept; an
/// operator lifts far fewer bans during an outage.
#[derive(Debug, Default)]
pub(super) struct Missed {
    lifted: HashSet<IpNet>,
    disallowed: HashSet<IpNet>,
    forgotten: HashSet<IpNet>,
}

// === impl Missed ===

impl Missed {
    const MAX: usize = 65_536;

    /// Notes an update that was not written.
    pub(super) fn note(&mut self, update: &BanUpdate) {
        match update {
            BanUpdate::Banned(ban) => _ = self.lifted.remove(&ban.network),
            BanUpdate::Lifted(network) => insert(&mut self.lifted, *network),
            BanUpdate::Allowed(allow) => _ = self.disallowed.remove(&allow.network),
            BanUpdate::Disallowed(network) => insert(&mut self.disallowed, *network),
            BanUpdate::Forgotten(network) => insert(&mut self.forgotten, *network),
        }
    }

    /// Removes what was lifted or forgotten from the rows of a file.
    pub(super) fn remove_from(&self, rows: &mut BanSnapshot) {
        let is_forgotten = |network: &IpNet| {
            // Nearly always empty or one network.
            (self.forgotten.iter()).any(|forgotten| forgotten.contains(network))
        };
        rows.bans
            .retain(|ban| !self.lifted.contains(&ban.network) && !is_forgotten(&ban.network));
        rows.allows.retain(|allow| {
            !self.disallowed.contains(&allow.network) && !is_forgotten(&allow.network)
        });
        rows.offenses
            .retain(|history| !is_forgotten(&history.network));
    }

    /// Forgets the removals of bans and exemptions: the file has them now.
    pub(super) fn clear_bans(&mut self) {
        self.lifted = HashSet::new();
        self.disallowed = HashSet::new();
    }

    /// Takes the networks whose events must still be erased.
    pub(super) fn take_forgotten(&mut self) -> Vec<IpNet> {
        std::mem::take(&mut self.forgotten).into_iter().collect()
    }
}

fn insert(networks: &mut HashSet<IpNet>, network: IpNet) {
    if networks.len() < Missed::MAX {
        networks.insert(network);
    }
}
