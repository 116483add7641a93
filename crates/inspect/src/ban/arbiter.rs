//! Who is banned for what he did, and who is only denied.
//!
//! A page can make whoever looks at it ask for anything that a link can spell. So an offense bans
//! when
//! 1. the client itself must have done it ([`Attribution::Certain`]), or it is the third different path of
//!    such that any page could have made it ask for, within [`BanArbiter::MEMORY`]; and
//! 2. of the latter kind, no page of another origin made it do so, and the client is not in good
//!    standing: [`BanArbiter::GOOD`] lately asked for and given, or a socket opened, without a rule that
//!    had anything to say; and
//! 3. the budget of bans is not spent.
//!
//! # Limits
//!
//! An address that many share is in good standing for all of them, and banned for all of them. Who
//! asks for enough that is harmless is in good standing too. A socket that was opened counts for an
//! hour, whether or not it stays open.

use std::{fmt, sync::Arc, time::Duration};

use gabion_core::{
    Attribution, BanOutcome, ClientIp, Now, Offense, OffenseRecorder, Outcome, RequestState,
};
use http::StatusCode;
use ipnet::IpNet;

use super::{BanConfig, BanTable, budget::BanBudget};
use crate::{
    bounded_map::{BoundedMap, left_after},
    network::Network,
};

/// Judges offenses before they reach the [`BanTable`]. Shared by every thread, kept across reloads.
///
/// # Capacity
///
/// Of the clients beyond it, those are forgotten who come least: they are neither suspected nor in
/// good standing. An entry takes about 100 bytes.
///
/// # Cost
///
/// [`Self::see`], once per exchange: for a known client no allocation, one sharded lock.
pub struct BanArbiter {
    table: Arc<BanTable>,
    suspects: BoundedMap<Network, Suspect>,
    standing: BoundedMap<Network, Credit>,
    budget: BanBudget,
}

/// The different paths that a client was suspected for.
#[derive(Clone, Debug, Default)]
struct Suspect {
    paths: [Option<u64>; BanArbiter::PATHS],
    last: Duration,
}

/// What a client was given lately, at that time.
#[derive(Clone, Debug, Default)]
struct Credit {
    good: f32,
    at: Duration,
}

// === impl Court ===

impl BanArbiter {
    /// How many different paths are proof.
    pub const PATHS: usize = 3;

    /// How long a suspect is remembered after the last path.
    pub const MEMORY: Duration = Duration::from_mins(10);

    /// The time in which good standing halves.
    pub const HALF_LIFE: Duration = Duration::from_hours(1);

    /// How much must have been given for good standing.
    pub const GOOD: u8 = 10;

    /// Bans in `table`, and remembers at most so many `clients`.
    pub fn new(table: Arc<BanTable>, clients: usize) -> Self {
        Self {
            table,
            suspects: BoundedMap::new(clients),
            standing: BoundedMap::new(clients),
            budget: BanBudget::default(),
        }
    }

    /// The timed bans.
    pub const fn table(&self) -> &Arc<BanTable> {
        &self.table
    }

    /// Bans from now on within the budget of `config`.
    pub fn set_budget(&self, config: &BanConfig) {
        self.budget.set(config);
    }

    /// Takes note of how an exchange ended.
    pub fn record(&self, state: &RequestState, outcome: &Outcome<'_>) {
        if state.client().exempt().is_some() || state.is_counted() {
            return;
        }
        let (client, now) = (state.client().network(), state.now());
        self.budget.saw(client, now);
        let named = outcome.denial.is_some() || !state.observed().is_empty();
        let good = match outcome.status {
            // A whole half-life above the mark.
            StatusCode::SWITCHING_PROTOCOLS => f32::from(Self::GOOD) * 2.0,
            status if status.is_success() => 1.0,
            _ => return,
        };
        if !named && state.probe().is_none() {
            self.standing.update(Network(client), |standing| {
                standing.good = standing.at(now) + good;
                standing.at = now.mono();
            });
        }
    }

    fn is_in_good_standing(&self, client: IpNet, now: Now) -> bool {
        let standing = self.standing.get(Network(client));
        standing.is_some_and(|standing| standing.at(now) >= f32::from(Self::GOOD))
    }

    /// How many different paths `client` is suspected for, this one included.
    fn suspect(&self, client: IpNet, path: u64, now: Now) -> usize {
        self.suspects
            .update(Network(client), |suspect| suspect.add(path, now))
    }

    fn sentence(&self, client: &ClientIp, offense: &Offense, now: Now) -> BanOutcome {
        if self.table.active(client, now).is_none() {
            match self.budget.take(now) {
                Ok(()) => {}
                Err(Some(why)) => return BanOutcome::Withheld(why),
                Err(None) => return BanOutcome::OverBudget,
            }
        }
        self.table.record_offense(client, offense, now)
    }
}

impl OffenseRecorder for BanArbiter {
    fn record_offense(&self, client: &ClientIp, offense: &Offense, now: Now) -> BanOutcome {
        let network = client.network();
        match offense.attribution {
            Attribution::Certain => self.sentence(client, offense, now),
            Attribution::CrossSite => BanOutcome::Withheld("a page of another origin made it ask"),
            Attribution::Forgeable { .. } if self.is_in_good_standing(network, now) => {
                BanOutcome::Withheld("it is in good standing, and a page could have made it ask")
            }
            Attribution::Forgeable { path } => match self.suspect(network, path, now) {
                Self::PATHS.. => self.sentence(client, offense, now),
                paths => BanOutcome::Suspected {
                    paths: u32::try_from(paths).unwrap_or(u32::MAX),
                    needed: u32::try_from(Self::PATHS).unwrap_or(u32::MAX),
                },
            },
        }
    }
}

impl fmt::Debug for BanArbiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Court")
            .field("table", &self.table)
            .field("suspects", &self.suspects.len())
            .field("standing", &self.standing.len())
            .finish_non_exhaustive()
    }
}

// === impl Suspect ===

impl Suspect {
    fn add(&mut self, path: u64, now: Now) -> usize {
        if now.mono().saturating_sub(self.last) > BanArbiter::MEMORY {
            *self = Self::default();
        }
        self.last = now.mono();
        if !self.paths.contains(&Some(path))
            && let Some(free) = self.paths.iter_mut().find(|slot| slot.is_none())
        {
            *free = Some(path);
        }
        self.paths.iter().flatten().count()
    }
}

// === impl Credit ===

impl Credit {
    /// What is left of the good at `now`.
    fn at(&self, now: Now) -> f32 {
        self.good * left_after(now.mono().saturating_sub(self.at), BanArbiter::HALF_LIFE)
    }
}
