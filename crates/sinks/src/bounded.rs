//! Rate limit for events.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use gabion_core::{BuildClientKeyHasher, ClientKey, Event, EventClass, Sink, Suppressed};

/// A sink that limits the events passed to another [`Sink`]: in number and bytes, per client and
/// second, and per second in total. The dropped events are counted and reported after the second
/// ends, as one [`Event::Suppressed`].
///
/// Each [`EventClass`] has the [`EventBudget`] for itself: no number of denied requests hides a ban,
/// a rejected policy, a panic or an answered probe. Seconds are those of the events' own times.
///
/// # Cost
///
/// One short lock per event; none for a request that passes. At most [`Bounded::MAX_CLIENTS`]
/// clients are distinguished per second, with about 100 bytes for each.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc::Receiver;
/// use gabion_core::{Event, Sink};
/// use gabion_sinks::{Bounded, Channel, EventBudget};
///
/// let (channel, events): (Channel, Receiver<Event>) = Channel::new(8);
/// let budget = EventBudget { total: 1, ..EventBudget::default() };
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

/// The events of one class passed on per second.
///
/// Bytes are those of the event's text (its `Display` form). An event passes if less than the budget
/// is used before it, so that the total is exceeded by at most one event, which is bounded itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "four numbers")]
pub struct EventBudget {
    /// Events per client: 5 by default.
    pub per_client: u32,
    /// Events of all clients together: 100 by default.
    pub total: u32,
    /// Bytes per client: 4 KiB by default.
    pub bytes_per_client: u32,
    /// Bytes of all clients together: 32 KiB by default.
    pub total_bytes: u32,
}

/// The counts of one second.
#[derive(Debug, Default)]
struct Window {
    second: u64,
    suppressed: u64,
    passed: Usages,
    clients: HashMap<ClientKey, ClientUsage, BuildClientKeyHasher>,
}

/// The events of one client in a second.
#[derive(Debug, Default)]
struct ClientUsage {
    suppressed: u64,
    passed: Usages,
}

/// The passed events by [`EventClass`].
type Usages = [Usage; EventClass::ALL.len()];

/// A number of passed events, and the bytes of their texts.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    events: u32,
    bytes: u32,
}

/// Counts the bytes of a text.
#[derive(Default)]
struct ByteCounter(u32);

// === impl EventBudget ===

impl Default for EventBudget {
    fn default() -> Self {
        Self {
            per_client: 5,
            total: 100,
            bytes_per_client: 4 * 1024,
            total_bytes: 32 * 1024,
        }
    }
}

// === impl Bounded ===

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

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Sink> Sink for Bounded<S> {
    fn record(&self, event: &Event) {
        let (suppressed, passes) = {
            let mut window = self.window();
            let second = event.at().map_or(window.second, second_of);
            let suppressed = window.advance(second);
            (suppressed, window.admit(event, self.budget))
        };
        self.report(suppressed);
        if passes {
            self.inner.record(event);
        }
    }

    /// Reports the events dropped before the second of `now`. Without this call, they are reported
    /// only with the next event.
    fn flush(&self, now: SystemTime) {
        let suppressed = self.window().advance(second_of(now));
        self.report(suppressed);
        self.inner.flush(now);
    }
}

// === impl Window ===

impl Window {
    /// Starts a new second if `second` is later, and returns the dropped events of the previous
    /// one.
    fn advance(&mut self, second: u64) -> Option<Suppressed> {
        if second <= self.second {
            return None;
        }
        let over = |(client, usage): (&ClientKey, &ClientUsage)| {
            (usage.suppressed > 0).then_some((client.network(), usage.suppressed))
        };
        let suppressed = (self.suppressed > 0).then(|| Suppressed {
            events: self.suppressed,
            most: (self.clients.iter().filter_map(over)).max_by_key(|&(_, over)| over),
        });
        self.clients.clear();
        (self.second, self.suppressed, self.passed) = (second, 0, Usages::default());
        suppressed
    }

    fn admit(&mut self, event: &Event, budget: EventBudget) -> bool {
        let class = event.class() as usize;
        let client = event.client().map(ClientKey::from);
        let client = client.filter(|client| self.has_room_for(client));
        let mut client = client.map(|client| self.clients.entry(client).or_default());
        let Some(passed) = self.passed.get_mut(class) else {
            return false;
        };
        let is_within = passed.is_within(budget.total, budget.total_bytes);
        let client_is_within = client.as_ref().is_none_or(|client| {
            let [events, bytes] = [budget.per_client, budget.bytes_per_client];
            (client.passed.get(class)).is_some_and(|passed| passed.is_within(events, bytes))
        });
        if !is_within || !client_is_within {
            self.suppressed += 1;
            if let Some(client) = client.as_mut().filter(|_| !client_is_within) {
                client.suppressed += 1;
            }
            return false;
        }
        let bytes = ByteCounter::count(event);
        passed.add(bytes);
        if let Some(passed) = client.and_then(|client| client.passed.get_mut(class)) {
            passed.add(bytes);
        }
        true
    }

    fn has_room_for(&self, client: &ClientKey) -> bool {
        let full = self.clients.len() >= Bounded::<crate::Channel>::MAX_CLIENTS;
        !full || self.clients.contains_key(client)
    }
}

// === impl Usage ===

impl Usage {
    const fn is_within(self, events: u32, bytes: u32) -> bool {
        self.events < events && self.bytes < bytes
    }

    const fn add(&mut self, bytes: u32) {
        self.events = self.events.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

// === impl ByteCounter ===

impl ByteCounter {
    fn count(text: impl fmt::Display) -> u32 {
        let mut counter = Self::default();
        // Writing to a counter does not fail.
        let _ = write!(counter, "{text}");
        counter.0
    }
}

impl fmt::Write for ByteCounter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.0 = self.0.saturating_add(bytes);
        Ok(())
    }
}

fn second_of(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
