//! Upper bounds on the number of bans.
//!
//! A rule that exceeds them is more likely wrong than right: it matches an untrusted load balancer,
//! or a habit of honest clients.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use gabion_core::Now;

use super::{BanConfig, activity::Activity};

/// The ban budget: a maximum per minute, and a maximum share of the active clients.
#[derive(Debug)]
pub(super) struct BanBudget {
    per_minute: AtomicU32,
    percent: AtomicU32,
    activity: Activity,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    minute: u64,
    in_minute: u32,
    span: u64,
    in_span: u32,
    /// The last minute for which an exhausted budget was reported.
    reported: Option<u64>,
}

/// The number of active clients below which the share does not apply.
const MIN_CLIENTS: f64 = 50.0;

/// The time over which bans and active clients are compared.
const SPAN: Duration = Duration::from_mins(10);

impl Default for BanBudget {
    fn default() -> Self {
        let config = BanConfig::default();
        Self {
            per_minute: AtomicU32::new(config.most_per_minute),
            percent: AtomicU32::new(config.most_percent.into()),
            activity: Activity::default(),
            used: Mutex::default(),
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

    /// Counts the client with this key ([`gabion_core::ClientIp::key`]) as active.
    pub(super) fn count_client(&self, client: u64, now: Now) {
        self.activity.record(client, span(now));
    }

    /// Takes one ban from the budget. When the budget is exhausted, returns the reason once a
    /// minute.
    pub(super) fn take(&self, now: Now) -> Result<(), Option<&'static str>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.start_new_periods(now);
        let share = f64::from(self.percent.load(Ordering::Relaxed)) / 100.0;
        let clients = self.activity.estimate(used.span);
        let too_many = clients >= MIN_CLIENTS && f64::from(used.in_span) + 1.0 > clients * share;
        let reason = if used.in_minute >= self.per_minute.load(Ordering::Relaxed) {
            "`most_per_minute` in [ban] is reached: no bans until the next minute"
        } else if too_many {
            "`most_percent` in [ban] is reached: too many of the active clients would be banned"
        } else {
            used.in_minute = used.in_minute.saturating_add(1);
            used.in_span = used.in_span.saturating_add(1);
            return Ok(());
        };
        let minute = Some(used.minute);
        let reported = std::mem::replace(&mut used.reported, minute) == minute;
        Err((!reported).then_some(reason))
    }
}

impl Used {
    fn start_new_periods(&mut self, now: Now) {
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
