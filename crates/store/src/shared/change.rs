//! A change with its time, and the value of a hash that holds it.

use std::time::{Duration, SystemTime};

use gabion_core::BanUpdate;
use ipnet::IpNet;

use super::wire;
use crate::clock;

/// The number of digits of a time, in microseconds since the epoch.
const DIGITS: usize = 16;
/// The time for which a lifted or forgotten network is kept, so that no instance brings its ban back: that
/// of the longest automatic ban, and a day.
const ENDED_FOR: Duration = Duration::from_hours(31 * 24);

/// A change and its time in microseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) update: BanUpdate,
    pub(super) at: u64,
}

/// The hashes, by what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Bans,
    Allows,
}

// === impl Change ===

impl Change {
    pub(super) fn now(update: BanUpdate) -> Self {
        let at = clock::to_micros(clock::wall());
        Self { update, at }
    }

    /// The time as it begins the value of a hash.
    pub(super) fn digits(&self) -> String {
        format!("{:0DIGITS$}", self.at)
    }

    pub(super) const fn hash(&self) -> Hash {
        match self.update {
            BanUpdate::Banned(_) | BanUpdate::Lifted(_) | BanUpdate::Forgotten(_) => Hash::Bans,
            BanUpdate::Allowed(_) | BanUpdate::Disallowed(_) => Hash::Allows,
        }
    }

    /// Reads a field and its value; `None` if they are invalid or do not belong together.
    pub(super) fn read(hash: Hash, field: &[u8], value: &[u8]) -> Option<Self> {
        let (digits, text) = value.split_at_checked(DIGITS)?;
        let at = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let update = wire::read(text)?;
        let network: IpNet = std::str::from_utf8(field).ok()?.parse().ok()?;
        let change = Self { update, at };
        (network == change.update.network() && change.hash() == hash).then_some(change)
    }

    /// Returns `true` if the change has no effect anymore.
    pub(super) fn is_expired(&self, now: SystemTime) -> bool {
        let end = match &self.update {
            BanUpdate::Banned(ban) => Some(ban.until),
            BanUpdate::Allowed(allow) => Some(allow.until),
            BanUpdate::Lifted(_) | BanUpdate::Disallowed(_) | BanUpdate::Forgotten(_) => {
                clock::from_micros(self.at).and_then(|at| at.checked_add(ENDED_FOR))
            }
        };
        end.is_none_or(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_field_only() {
        let network: IpNet = "203.0.113.9/32".parse().unwrap();
        let change = Change::now(BanUpdate::Lifted(network));
        let value = format!("{}{}", change.digits(), wire::write(&change.update));
        let read =
            |hash, field: &str, value: &str| Change::read(hash, field.as_bytes(), value.as_bytes());
        assert_eq!(read(Hash::Bans, "203.0.113.9/32", &value), Some(change));
        assert_eq!(read(Hash::Allows, "203.0.113.9/32", &value), None);
        assert_eq!(read(Hash::Bans, "203.0.113.8/32", &value), None);
        assert_eq!(read(Hash::Bans, "203.0.113.9/32", &value[1..]), None);
        assert_eq!(read(Hash::Bans, "", ""), None);
    }

    #[test]
    fn lifted_bans_are_kept_for_a_month() {
        let change = Change::now(BanUpdate::Lifted("203.0.113.9/32".parse().unwrap()));
        let after = |days: u64| clock::wall() + Duration::from_hours(24 * days);
        assert!(!change.is_expired(after(30)));
        assert!(change.is_expired(after(32)));
    }
}
