//! Events about bans.

use std::{fmt, time::SystemTime};

use ipnet::IpNet;

use super::cut;
use crate::{ClientIp, Offense};

/// A change, or a withheld change, of one client's ban.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BanEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The client.
    pub client: ClientIp,
    /// The rule and the length of the ban.
    pub offense: Offense,
    /// The kind of change.
    pub change: BanChange,
}

/// The kinds of [`BanEvent`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BanChange {
    /// The client is banned from now on.
    Placed,
    /// The client is not banned, for the given reason.
    Withheld(&'static str),
    /// The client is not banned yet: any page could have caused its requests. It requested `paths`
    /// of the `needed` different suspicious paths.
    Suspected {
        /// The number of different paths so far.
        paths: u32,
        /// The number of different paths that ban.
        needed: u32,
    },
    /// The client would have been banned: the rule is in observe mode.
    Observed,
    /// The client is banned. The ban table was full, so the ban of this network, the one nearest
    /// its end, was removed early.
    Evicted(IpNet),
}

// === impl BanEvent ===

impl BanEvent {
    /// The maximum number of bytes of the reason that are displayed.
    pub const MAX_REASON: usize = 512;

    /// Creates an event about `client`'s ban.
    pub fn new(at: SystemTime, client: ClientIp, offense: Offense, change: BanChange) -> Self {
        Self {
            at,
            client,
            offense,
            change,
        }
    }
}

impl fmt::Display for BanEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, rule) = (self.client.network(), &self.offense.rule);
        match &self.change {
            BanChange::Withheld(why) => write!(f, "{client} not banned (rule {rule}): {why}"),
            BanChange::Observed => {
                write!(
                    f,
                    "{client} would have been banned (rule {rule}, observe mode)"
                )
            }
            BanChange::Suspected { paths, needed } => write!(
                f,
                "{client} requested {paths} of {needed} suspicious paths needed for a ban \
                 (rule {rule})"
            ),
            placed => {
                let secs = self.offense.ban_for.as_secs();
                write!(f, "{client} banned for {secs} s by rule {rule}")?;
                if let Some(reason) = &self.offense.reason {
                    let reason = cut(reason, Self::MAX_REASON).escape_debug();
                    write!(f, " ({reason})")?;
                }
                match placed {
                    BanChange::Evicted(gone) => {
                        write!(
                            f,
                            "; the ban table is full: the ban of {gone} was removed early"
                        )
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}
