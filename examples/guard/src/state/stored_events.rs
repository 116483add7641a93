//! The events that are stored for reports.

use std::time::SystemTime;

use gabion::event::{AuditAction, BanChange, Event, RequestEventKind, Sink};
use gabion_store::StoredEvent;

use super::StoreSlot;

/// A sink that passes events on, and stores those that reports are about.
pub(crate) struct StoringSink<S> {
    inner: S,
    store: StoreSlot,
}

// === impl StoringSink ===

impl<S> StoringSink<S> {
    pub(crate) const fn new(inner: S, store: StoreSlot) -> Self {
        Self { inner, store }
    }
}

impl<S: Sink> Sink for StoringSink<S> {
    fn record(&self, event: &Event) {
        if let Some(stored) = stored(event)
            && let Some(store) = self.store.get()
        {
            store.record_event(stored);
        }
        self.inner.record(event);
    }

    fn flush(&self, now: SystemTime) {
        self.inner.flush(now);
    }
}

/// Returns the event as it is stored; `None` for kinds that reports are not about.
fn stored(event: &Event) -> Option<StoredEvent> {
    let (kind, rule) = match event {
        Event::Request(request) => match &request.kind {
            RequestEventKind::Denied(denial) => ("denied", Some(&denial.cause.rule)),
            _ => return None,
        },
        Event::Ban(ban) => match ban.change {
            BanChange::Placed | BanChange::Evicted(_) | BanChange::Surrounding(_) => {
                ("banned", Some(&ban.offense.rule))
            }
            BanChange::Observed => ("ban-observed", Some(&ban.offense.rule)),
            _ => return None,
        },
        Event::ProbeHit(_) => ("probe-hit", None),
        Event::Session(_) => ("session-closed", None),
        Event::Policy(_) => ("policy", None),
        // Its events were erased.
        Event::Audit(audit) if audit.action == AuditAction::Forget => return None,
        Event::Audit(_) => ("operator", None),
        Event::Upstream(_) => ("upstream", None),
        Event::Fault(_) => ("fault", None),
        _ => return None,
    };
    Some(StoredEvent {
        at: event.at().unwrap_or_else(now),
        kind: kind.into(),
        network: match event {
            Event::Audit(audit) => audit.network,
            other => other.client(),
        },
        rule: rule.map(|rule| rule.as_str().into()),
        text: event.to_string().into(),
    })
}

/// The time of an event that has none of its own.
#[expect(
    clippy::disallowed_methods,
    reason = "the events of a process have no other clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
