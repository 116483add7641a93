//! What happened to a ban.

use std::{fmt, time::SystemTime};

use ipnet::IpNet;

use crate::{ClientIp, Offense};

/// What happened to a ban, and whose.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BanEvent {
    /// When, for people.
    pub at: SystemTime,
    /// The client.
    pub client: ClientIp,
    /// The rule, and how long.
    pub offense: Offense,
    /// What happened.
    pub change: BanChange,
}

/// What happened to a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BanChange {
    /// The client is banned from now on.
    Placed,
    /// The client is not banned, for the reason given.
    Withheld(&'static str),
    /// The client is not banned yet: any page could have made it send this, but it asked for so many
    /// such paths by now.
    Suspected {
        /// How many different paths.
        paths: u32,
    },
    /// The client is banned; the table was full, and this ban, the one nearest its end, gave way.
    Evicted(IpNet),
}

// === impl BanEvent ===

impl BanEvent {
    /// Something that happened to `client`'s ban.
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
            BanChange::Withheld(why) => write!(f, "{client} not banned by rule {rule}: {why}"),
            BanChange::Suspected { paths } => {
                write!(
                    f,
                    "{client} suspected by rule {rule} for {paths} different paths"
                )
            }
            placed => {
                let secs = self.offense.ban_for.as_secs();
                write!(f, "{client} banned for {secs} s by rule {rule}")?;
                match placed {
                    BanChange::Evicted(gone) => {
                        write!(f, "; the table is full, {gone} is let go before its time")
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}
