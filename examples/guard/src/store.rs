//! The store of bans and events in the folder of `--state`.

use std::{
    path::Path,
    sync::{Arc, OnceLock, Weak},
    time::SystemTime,
};

use gabion::{
    Guard,
    event::{AuditAction, BanChange, Event, RequestEventKind, Sink},
};
use gabion_store::{Store, StoreError, StoreOptions, StoredEvent};
use tracing::info;

/// A sink that passes events on, and stores those that reports are about.
pub(crate) struct StoringSink<S> {
    inner: S,
    store: StoreSlot,
}

/// The store of a guard, which is opened after its sink was created; empty without `--state`, and once the store
/// is closed.
#[derive(Clone, Default)]
pub(crate) struct StoreSlot(Arc<OnceLock<Weak<Store>>>);

// === impl StoreSlot ===

impl StoreSlot {
    /// Opens the store in `folder`, restores its bans, and keeps those of `guard` from now on.
    pub(crate) fn open(&self, folder: &Path, guard: &Guard) -> Result<Arc<Store>, StoreError> {
        let store = Arc::new(Store::open(StoreOptions::new(folder), guard.sink())?);
        let restored = guard.restore(&store.restored());
        guard.subscribe(&store);
        store.attach(guard.ban_source());
        info!("bans are kept in {}: {restored} restored", folder.display());
        self.0.get_or_init(|| Arc::downgrade(&store));
        Ok(store)
    }

    fn get(&self) -> Option<Arc<Store>> {
        self.0.get().and_then(Weak::upgrade)
    }
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
