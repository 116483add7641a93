//! The last events, in memory.

use std::{
    collections::VecDeque,
    mem::size_of,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use gabion_core::{
    BanUpdate, ChangeListener, Denial, Event, EventId, RequestEventKind, Sink, UpdateOrigin,
};
use ipnet::IpNet;

use crate::clock::wall_clock;

/// A sink that keeps the last events in memory, bounded in number and bytes, with every detail: an operator finds
/// in it why a request was denied, by the event id that its client received.
///
/// Its content has secrets of clients (values of queries): show it to operators only.
///
/// # Cost
///
/// A copy of each event, and one short lock; none for a request that passes.
///
/// # Examples
///
/// ```
/// use gabion_core::{Event, Sink};
/// use gabion_sinks::EventRing;
///
/// let ring = EventRing::new(2, 64 * 1024);
/// for fix in ["one", "two", "three"] {
///     ring.record(&Event::Setup(fix));
/// }
/// let last = ring.last(10);
/// let texts: Vec<_> = last.iter().map(|(event, _)| event.to_string()).collect();
/// assert_eq!(texts, ["three", "two"]);
/// ```
#[derive(Debug)]
pub struct EventRing {
    capacity: usize,
    max_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<KeptEvent>,
    bytes: usize,
}

#[derive(Debug)]
struct KeptEvent {
    event: Event,
    at: SystemTime,
    bytes: usize,
}

// === impl EventRing ===

impl EventRing {
    /// Creates a ring for at most `capacity` events of `max_bytes` together.
    pub fn new(capacity: usize, max_bytes: usize) -> Self {
        Self {
            capacity,
            max_bytes,
            kept: Mutex::default(),
        }
    }

    /// Returns the event of the denial that its client received `id` for, with its time.
    pub fn find(&self, id: EventId) -> Option<(Event, SystemTime)> {
        let kept = self.lock();
        let mut latest_first = kept.events.iter().rev();
        let found = latest_first.find(|kept| event_id(&kept.event) == Some(id));
        found.map(|kept| (kept.event.clone(), kept.at))
    }

    /// Returns at most `count` events, the latest first, with their times.
    pub fn last(&self, count: usize) -> Vec<(Event, SystemTime)> {
        let kept = self.lock();
        let latest = kept.events.iter().rev().take(count);
        latest.map(|kept| (kept.event.clone(), kept.at)).collect()
    }

    /// The number of kept events.
    pub fn len(&self) -> usize {
        self.lock().events.len()
    }

    /// Returns `true` if no event is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes the events of a client, and those about bans of its network.
    pub fn forget(&self, client: IpNet) {
        let mut kept = self.lock();
        let mut removed = 0;
        kept.events.retain(|kept| {
            let is_other = (kept.event.client())
                .is_none_or(|network| !network.contains(&client) && !client.contains(&network));
            if !is_other {
                removed += kept.bytes;
            }
            is_other
        });
        kept.bytes -= removed;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for EventRing {
    fn record(&self, event: &Event) {
        let event = KeptEvent {
            at: event.at().unwrap_or_else(wall_clock),
            bytes: bytes_of(event),
            event: event.clone(),
        };
        let mut dropped = Vec::new();
        let mut kept = self.lock();
        kept.bytes += event.bytes;
        kept.events.push_back(event);
        while kept.events.len() > self.capacity || kept.bytes > self.max_bytes {
            let Some(oldest) = kept.events.pop_front() else {
                break;
            };
            kept.bytes -= oldest.bytes;
            dropped.push(oldest);
        }
        // Freed without the lock.
        drop(kept);
    }
}

/// Forgets the clients that the guard forgets ([`EventRing::forget`]).
impl ChangeListener for EventRing {
    fn on_ban(&self, _client: IpNet) {}

    fn on_policy_replaced(&self) {}

    fn on_ban_update(&self, update: &BanUpdate, _origin: UpdateOrigin) {
        if let BanUpdate::Forgotten(client) = update {
            self.forget(*client);
        }
    }
}

/// The id that a client received.
pub(crate) fn event_id(event: &Event) -> Option<EventId> {
    match event {
        Event::Request(event) => match &event.kind {
            RequestEventKind::Denied(denial) => denial.event,
            _ => None,
        },
        _ => None,
    }
}

/// The memory of an event, or more. Texts that events share with the policy count as their own.
fn bytes_of(event: &Event) -> usize {
    let heap = match event {
        Event::Request(event) => {
            event.target.len()
                + match &event.kind {
                    RequestEventKind::Denied(denial) => {
                        const HEADER: usize = 128;
                        size_of::<Denial>() + denial.headers.len() * HEADER
                    }
                    RequestEventKind::Fault(words) => words.len(),
                    _ => 0,
                }
        }
        Event::Ban(event) => event.offense.reason.as_ref().map_or(0, |text| text.len()),
        Event::Audit(event) => event.actor.len() + event.detail.len(),
        Event::ProbeHit(event) => event.target.len(),
        Event::Unparsable(event) => event.line.len(),
        Event::ProxyFailure(event) => event.target.len() + event.error.len(),
        Event::Session(event) => event.path.len(),
        Event::Diagnosis(event) => event.path.len() + event.seen.len(),
        Event::ConnectionRefused(_) | Event::UntrustedProxy(_) | Event::Setup(_) => 0,
        Event::Policy(_) => gabion_core::PolicyEvent::MAX_WHY,
        // Bounded texts.
        _ => 1024,
    };
    size_of::<KeptEvent>() + heap
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_is_bounded_in_events_and_bytes() {
        let ring = EventRing::new(3, usize::MAX);
        for _ in 0..10 {
            ring.record(&Event::Setup("a"));
        }
        assert_eq!(ring.len(), 3);

        let one = size_of::<KeptEvent>();
        let ring = EventRing::new(usize::MAX, 5 * one);
        for _ in 0..10 {
            ring.record(&Event::Setup("a"));
        }
        assert_eq!(ring.len(), 5);
        assert_eq!(ring.lock().bytes, 5 * one);
    }

    #[test]
    fn events_of_a_client_are_forgotten() {
        let ring = EventRing::new(10, usize::MAX);
        for addr in [[203, 0, 113, 9], [203, 0, 113, 10], [203, 0, 113, 10]] {
            ring.record(&Event::UntrustedProxy(addr.into()));
        }
        ring.forget("203.0.113.9/32".parse().unwrap());
        let last = ring.last(10);
        assert_eq!(last.len(), 2);
        assert_eq!(last[0].0.client(), Some("203.0.113.10/32".parse().unwrap()));
        assert_eq!(ring.lock().bytes, 2 * size_of::<KeptEvent>());
    }
}
