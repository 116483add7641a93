//! How many clients may be banned at most, whatever the rules find.
//!
//! A rule that bans more than the budget is more likely wrong than right: it has met a balancer
//! that nobody trusts, or an honest client's habit.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use gabion_core::Now;
use ipnet::IpNet;

use super::{BanConfig, activity::Activity};

/// What is left to ban, per minute and as a share of the clients that are there.
#[derive(Debug)]
pub(super) struct BanBudget {
    per_minute: AtomicU32,
    percent: AtomicU32,
    activity: Activity,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    minute: u64,
    in_minute: u32,
    span: u64,
    in_span: u32,
    /// The minute in which it was told that the budget is spent.
    told: Option<u64>,
}

/// Of fewer clients a share says nothing.
const MIN_CLIENTS: f64 = 50.0;

/// Bans and clients are compared over this time.
const SPAN: Duration = Duration::from_mins(10);

impl Default for BanBudget {
    fn default() -> Self {
        let config = BanConfig::default();
        Self {
            per_minute: AtomicU32::new(config.most_per_minute),
            percent: AtomicU32::new(config.most_percent.into()),
            activity: Activity::default(),
            spent: Mutex::default(),
        }
    }
}

impl BanBudget {
    pub(super) fn set(&self, config: &BanConfig) {
        self.per_minute
            .store(config.most_per_minute, Ordering::Relaxed);
        self.percent
            .store(config.most_percent.into(), Ordering::Relaxed);
    }

    /// Counts `client` as one that is there.
    pub(super) fn saw(&self, client: IpNet, now: Now) {
        self.activity.note(client, span(now));
    }

    /// Takes one ban out of the budget. Where it is spent, says why once a minute.
    pub(super) fn take(&self, now: Now) -> Result<(), Option<&'static str>> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.turn(now);
        let share = f64::from(self.percent.load(Ordering::Relaxed)) / 100.0;
        let clients = self.activity.estimate(spent.span);
        let too_many = clients >= MIN_CLIENTS && f64::from(spent.in_span) + 1.0 > clients * share;
        let why = if spent.in_minute >= self.per_minute.load(Ordering::Relaxed) {
            "the budget of bans per minute is spent; until the next minute rules only observe"
        } else if too_many {
            "the budget of bans is spent: too large a share of the clients would be banned"
        } else {
            spent.in_minute = spent.in_minute.saturating_add(1);
            spent.in_span = spent.in_span.saturating_add(1);
            return Ok(());
        };
        let minute = Some(spent.minute);
        let told = std::mem::replace(&mut spent.told, minute) == minute;
        Err((!told).then_some(why))
    }
}

impl Spent {
    fn turn(&mut self, now: Now) {
        let minute = now.mono().as_secs() / 60;
        if self.minute != minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        if self.span != span(now) {
            (self.span, self.in_span) = (span(now), 0);
        }
    }
}

fn span(now: Now) -> u64 {
    now.mono().as_secs() / SPAN.as_secs()
}
