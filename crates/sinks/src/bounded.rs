//! Keeps a flood of events within a budget.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use gabion_core::{Event, Sink, Suppressed};
use ipnet::IpNet;

/// Passes on to another sink at most so many events per client and second, and per second in all.
/// The others are counted, and told once the second is over as [`Event::Suppressed`].
///
/// Seconds are those of the events. Events about the policy always pass.
///
/// # Cost
///
/// A short lock per event, none for a request that passes. At most
/// [`Bounded::MAX_CLIENTS`] clients are told apart within one second.
#[derive(Debug)]
pub struct Bounded<S> {
    inner: S,
    budget: EventBudget,
    window: Mutex<Window>,
}

/// How many events are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two numbers")]
pub struct EventBudget {
    /// Per client and second.
    pub per_client: u32,
    /// Per second in all.
    pub in_all: u32,
}

/// What happened in one second.
#[derive(Debug, Default)]
struct Window {
    second: u64,
    passed: u32,
    suppressed: u64,
    clients: HashMap<IpNet, u64>,
}

impl Default for EventBudget {
    fn default() -> Self {
        Self {
            per_client: 5,
            in_all: 100,
        }
    }
}

impl<S: Sink> Bounded<S> {
    /// How many clients of one second are told apart; the others share the budget in all.
    pub const MAX_CLIENTS: usize = 4_096;

    /// Stands before `inner`.
    pub fn new(inner: S, budget: EventBudget) -> Self {
        Self {
            inner,
            budget,
            window: Mutex::default(),
        }
    }

    fn tell(&self, suppressed: Option<Suppressed>) {
        if let Some(suppressed) = suppressed {
            self.inner.record(&Event::Suppressed(suppressed));
        }
    }

    fn window(&self) -> std::sync::MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Sink> Sink for Bounded<S> {
    fn record(&self, event: &Event) {
        let (at, client) = match event {
            Event::Request(event) => (Some(event.at), Some(event.client.network())),
            Event::Ban(event) => (Some(event.at), Some(event.client.network())),
            Event::Fault(event) => (Some(event.at), Some(event.client.network())),
            Event::Session(event) => (Some(event.at), Some(event.client.network())),
            Event::Diagnosis(event) => (Some(event.at), Some(event.client.into())),
            Event::Setup(_) => (None, None),
            _ => return self.inner.record(event),
        };
        let (told, passes) = {
            let mut window = self.window();
            let second = at.map_or(window.second, second_of);
            let told = window.turn(second, self.budget);
            (told, window.admit(client, self.budget))
        };
        self.tell(told);
        if passes {
            self.inner.record(event);
        }
    }

    /// Reports the events that were suppressed before the second of `now`. Without it they are reported
    /// with the next event.
    fn flush(&self, now: SystemTime) {
        let told = self.window().turn(second_of(now), self.budget);
        self.tell(told);
    }
}

impl Window {
    /// Begins a new second, if it is a later one, and says what was suppressed in the one before.
    fn turn(&mut self, second: u64, budget: EventBudget) -> Option<Suppressed> {
        if second <= self.second {
            return None;
        }
        let before = std::mem::take(self);
        self.second = second;
        let over = |(client, events): (&IpNet, &u64)| {
            let over = events.saturating_sub(budget.per_client.into());
            (over > 0).then_some((*client, over))
        };
        let most = before
            .clients
            .iter()
            .filter_map(over)
            .max_by_key(|&(_, over)| over);
        let events = before.suppressed;
        (events > 0).then_some(Suppressed { events, most })
    }

    fn admit(&mut self, client: Option<IpNet>, budget: EventBudget) -> bool {
        let within = match client {
            Some(client) if self.has_room_for(&client) => {
                let events = self.clients.entry(client).or_default();
                *events += 1;
                *events <= budget.per_client.into()
            }
            _ => true,
        };
        let passes = within && self.passed < budget.in_all;
        if passes {
            self.passed += 1;
        } else {
            self.suppressed += 1;
        }
        passes
    }

    fn has_room_for(&self, client: &IpNet) -> bool {
        let full = self.clients.len() >= Bounded::<crate::Tracing>::MAX_CLIENTS;
        !full || self.clients.contains_key(client)
    }
}

fn second_of(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
