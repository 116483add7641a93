//! Changes of bans, as stores and other instances receive them.

use ipnet::IpNet;

use super::{AllowRecord, BanRecord, BanSnapshot};

/// A change of the table of bans, received by
/// [`ChangeListener::on_ban_update`](crate::ChangeListener::on_ban_update).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store must keep every kind of change"
)]
pub enum BanUpdate {
    /// A network is banned, or its ban is longer now.
    Banned(BanRecord),
    /// The ban of a network ended early, by an operator. Its offenses still count.
    Lifted(IpNet),
    /// A client is exempt from denials and bans for a time. Bans that this lifts have updates of their own.
    Allowed(AllowRecord),
    /// The exemption of a client ended early.
    Disallowed(IpNet),
    /// All data about a client is erased: its ban, its exemption, its offenses and its events.
    Forgotten(IpNet),
}

/// The source of a [`BanUpdate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a listener must decide for every source"
)]
pub enum UpdateOrigin {
    /// A rule of this instance.
    Rule,
    /// An operator of this instance.
    Operator,
    /// Another instance.
    Peer,
    /// The store of this instance, at its start.
    Store,
}

/// The owner of the table of bans, from which a listener that missed updates takes a snapshot, and to which
/// a store passes what it reads after the start.
pub trait BanSource: Send + Sync {
    /// Returns all bans, exemptions and offenses in force.
    ///
    /// # Cost
    ///
    /// Copies the tables without blocking new bans. Not for the request path.
    fn ban_snapshot(&self) -> BanSnapshot;

    /// Adds the bans, exemptions and offenses of `snapshot`, which a store could not read earlier: its file
    /// was locked by the instance that this one replaces, or its disk did not respond. Of two bans of the
    /// same network the later end counts. Listeners receive the added ones as [`UpdateOrigin::Store`].
    ///
    /// # Cost
    ///
    /// One insertion for each record. Not for the request path.
    fn restore_bans(&self, snapshot: BanSnapshot);
}

// === impl BanUpdate ===

impl BanUpdate {
    /// The network that changed.
    pub const fn network(&self) -> IpNet {
        match self {
            Self::Banned(ban) => ban.network,
            Self::Allowed(allow) => allow.network,
            Self::Lifted(network) | Self::Disallowed(network) | Self::Forgotten(network) => {
                *network
            }
        }
    }
}
