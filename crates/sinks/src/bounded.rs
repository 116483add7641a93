//! Rate limit for events.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use gabion_core::{BuildClientKeyHasher, ClientKey, Event, Sink, Suppressed};
use ipnet::IpNet;

/// A sink that limits the events passed to another [`Sink`]: per client and second, and per second
/// in total. The dropped events are counted and reported after the second ends, as one
/// [`Event::Suppressed`].
///
/// Seconds are those of the events' own times. Events about the policy always pass.
///
/// # Cost
///
/// One short lock per event; none for a request that passes. At most [`Bounded::MAX_CLIENTS`]
/// clients are distinguished per second.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc::Receiver;
/// use gabion_core::{Event, Sink};
/// use gabion_sinks::{Bounded, Channel, EventBudget};
///
/// let (channel, events): (Channel, Receiver<Event>) = Channel::new(8);
/// let budget = EventBudget { per_client: 1, total: 1 };
/// let sink = Bounded::new(channel, budget);
/// sink.record(&Event::Setup("passes"));
/// sink.record(&Event::Setup("is counted"));
/// assert_eq!(events.try_iter().count(), 1);
/// sink.flush(std::time::SystemTime::now());
/// assert_eq!(
///     events.recv().unwrap().to_string(),
///     "log limit: 1 events not shown"
/// );
/// ```
#[derive(Debug)]
pub struct Bounded<S> {
    inner: S,
    budget: EventBudget,
    window: Mutex<Window>,
}

/// The number of events passed on per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two numbers")]
pub struct EventBudget {
    /// Per client.
    pub per_client: u32,
    /// For all clients together.
    pub total: u32,
}

/// The counts of one second.
#[derive(Debug, Default)]
struct Window {
    second: u64,
    passed: u32,
    suppressed: u64,
    clients: HashMap<ClientKey, u64, BuildClientKeyHasher>,
}

impl Default for EventBudget {
    fn default() -> Self {
        Self {
            per_client: 5,
            total: 100,
        }
    }
}

impl<S: Sink> Bounded<S> {
    /// The maximum number of clients distinguished per second. Further clients count against the
    /// total only.
    pub const MAX_CLIENTS: usize = 4_096;

    /// Limits the events passed to `inner`.
    pub fn new(inner: S, budget: EventBudget) -> Self {
        Self {
            inner,
            budget,
            window: Mutex::default(),
        }
    }

    fn report(&self, suppressed: Option<Suppressed>) {
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
            Event::Request(event) => (Some(event.at), Some(ClientKey::from(&event.client))),
            Event::Ban(event) => (Some(event.at), Some(ClientKey::from(&event.client))),
            Event::Fault(event) => (Some(event.at), Some(ClientKey::from(&event.client))),
            Event::Session(event) => (Some(event.at), Some(ClientKey::from(&event.client))),
            Event::Diagnosis(event) => (Some(event.at), Some(IpNet::from(event.client).into())),
            Event::Unparsable(event) => (Some(event.at), Some(IpNet::from(event.peer).into())),
            Event::Setup(_) => (None, None),
            _ => return self.inner.record(event),
        };
        let (suppressed, passes) = {
            let mut window = self.window();
            let second = at.map_or(window.second, second_of);
            let suppressed = window.advance(second, self.budget);
            (suppressed, window.admit(client, self.budget))
        };
        self.report(suppressed);
        if passes {
            self.inner.record(event);
        }
    }

    /// Reports the events dropped before the second of `now`. Without this call, they are reported
    /// only with the next event.
    fn flush(&self, now: SystemTime) {
        let suppressed = self.window().advance(second_of(now), self.budget);
        self.report(suppressed);
        self.inner.flush(now);
    }
}

impl Window {
    /// Starts a new second if `second` is later, and returns the dropped events of the previous
    /// one.
    fn advance(&mut self, second: u64, budget: EventBudget) -> Option<Suppressed> {
        if second <= self.second {
            return None;
        }
        let over = |(client, events): (&ClientKey, &u64)| {
            let over = events.saturating_sub(budget.per_client.into());
            (over > 0).then_some((client.network(), over))
        };
        let suppressed = (self.suppressed > 0).then(|| Suppressed {
            events: self.suppressed,
            most: (self.clients.iter().filter_map(over)).max_by_key(|&(_, over)| over),
        });
        self.clients.clear();
        (self.second, self.passed, self.suppressed) = (second, 0, 0);
        suppressed
    }

    fn admit(&mut self, client: Option<ClientKey>, budget: EventBudget) -> bool {
        let within = match client {
            Some(client) if self.has_room_for(&client) => {
                let events = self.clients.entry(client).or_default();
                *events += 1;
                *events <= budget.per_client.into()
            }
            _ => true,
        };
        let passes = within && self.passed < budget.total;
        if passes {
            self.passed += 1;
        } else {
            self.suppressed += 1;
        }
        passes
    }

    fn has_room_for(&self, client: &ClientKey) -> bool {
        let full = self.clients.len() >= Bounded::<crate::Tracing>::MAX_CLIENTS;
        !full || self.clients.contains_key(client)
    }
}

fn second_of(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
