//! Events about bans.

use std::{fmt, time::SystemTime};

use ipnet::IpNet;

use super::cut;
use crate::{ClientIp, Mode, Offense, Placement};

/// A change, or a withheld change, of one client's ban.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BanEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The client.
    pub client: ClientIp,
    /// The rule, and the length of the ban: that of the placed one, which is longer for repeated offenses.
    pub offense: Offense,
    /// The number of offenses of the client that led to this length, 0 unless a ban was placed.
    pub offenses: u32,
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
    /// The /24 or /48 around the client is banned too, because several of its clients are.
    Surrounding(IpNet),
    /// The /24 or /48 around the client would have been banned too: `[ban.neighbors]` is in observe mode.
    SurroundingObserved(IpNet),
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
            offenses: 0,
            change,
        }
    }

    /// Creates the events about a placed ban: one, and another one if the network around the client is banned
    /// too.
    pub fn placed(
        at: SystemTime,
        client: ClientIp,
        offense: Offense,
        placement: &Placement,
    ) -> impl Iterator<Item = Self> + use<> {
        let ban_for = placement.ban_for;
        let offense = Offense { ban_for, ..offense };
        let client_change = placement
            .evicted
            .map_or(BanChange::Placed, BanChange::Evicted);
        let surrounding = placement.surrounding.map(|(network, mode)| match mode {
            Mode::Enforce => BanChange::Surrounding(network),
            Mode::Observe => BanChange::SurroundingObserved(network),
        });
        let offenses = placement.offenses;
        let changes = [Some(client_change), surrounding].into_iter().flatten();
        changes.map(move |change| Self {
            offenses,
            ..Self::new(at, client, offense.clone(), change)
        })
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
            BanChange::Surrounding(network) => write!(
                f,
                "{network} banned for {} s, because several of its clients are (rule {rule})",
                self.offense.ban_for.as_secs()
            ),
            BanChange::SurroundingObserved(network) => write!(
                f,
                "{network} would have been banned, because several of its clients are (rule {rule}, \
                 `[ban.neighbors]` observes)"
            ),
            placed => {
                let secs = self.offense.ban_for.as_secs();
                write!(f, "{client} banned for {secs} s by rule {rule}")?;
                if self.offenses > 1 {
                    write!(f, ", offense {}", self.offenses)?;
                }
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
