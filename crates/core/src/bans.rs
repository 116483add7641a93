//! What counts towards a ban, and who keeps the bans.

use std::time::Duration;

use ipnet::IpNet;

use crate::{ClientIp, Now, RuleId};

/// Something a client did that bans it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offence {
    /// The rule that bans.
    pub rule: RuleId,
    /// How long the ban lasts.
    pub ban_for: Duration,
}

/// What became of a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BanOutcome {
    /// The client is banned from now on.
    Banned {
        /// Who was let go early to make room: the one nearest its end. `None` while there is room.
        evicted: Option<IpNet>,
    },
    /// The client was banned already; the later end counts.
    Standing,
}

/// Keeps timed bans.
///
/// An implementation is bounded, never blocks on IO, and is shared by every thread.
pub trait Bans: Send + Sync {
    /// Bans `client` from `now` on for as long as `offence` says.
    ///
    /// Who may be banned at all is the caller's question ([`crate::ClientRules::exempts`]).
    fn ban(&self, client: &ClientIp, offence: &Offence, now: Now) -> BanOutcome;
}
