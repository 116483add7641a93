//! Notification about bans and policy changes.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use ipnet::IpNet;

use crate::{BanUpdate, UpdateOrigin};

/// Receives the changes of bans and of the policy: those that may close an open session, and those that a
/// store keeps.
///
/// Called by the code that bans a client or replaces the policy, possibly on the request path: an
/// implementation does not block.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Weak, atomic::{AtomicU32, Ordering}};
/// use gabion_core::{ChangeListener, ChangeListeners};
/// use ipnet::IpNet;
///
/// #[derive(Default)]
/// struct BanCounter(AtomicU32);
///
/// impl ChangeListener for BanCounter {
///     fn on_ban(&self, _client: IpNet) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
///
///     fn on_policy_replaced(&self) {}
/// }
///
/// let (listeners, counter) = (ChangeListeners::default(), Arc::new(BanCounter::default()));
/// let weak: Weak<BanCounter> = Arc::downgrade(&counter);
/// listeners.subscribe(weak);
/// listeners.notify(|listener| listener.on_policy_replaced());
/// assert_eq!(counter.0.load(Ordering::Relaxed), 0);
/// listeners.notify(|listener| listener.on_ban("203.0.113.9/32".parse().unwrap()));
/// assert_eq!(counter.0.load(Ordering::Relaxed), 1);
/// ```
pub trait ChangeListener: Send + Sync {
    /// A client ([`crate::ClientIp::network`]) is banned from now on.
    fn on_ban(&self, client: IpNet);

    /// A new policy is in force.
    fn on_policy_replaced(&self);

    /// The table of bans changed. Called in the order of the changes of each network, for a store or
    /// for other instances; a new ban is reported to [`Self::on_ban`] too. Ignored by default.
    fn on_ban_update(&self, update: &BanUpdate, origin: UpdateOrigin) {
        let _ = (update, origin);
    }
}

/// Registered [`ChangeListener`]s, held weakly.
#[derive(Default)]
pub struct ChangeListeners(Mutex<Vec<Weak<dyn ChangeListener>>>);

// === impl ChangeListeners ===

impl ChangeListeners {
    /// Registers `listener`. Its registration ends when it is dropped.
    pub fn subscribe(&self, listener: Weak<dyn ChangeListener>) {
        let mut listeners = self.lock();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(listener);
    }

    /// Calls `notify` for each live listener. The lock is not held during the calls.
    pub fn notify(&self, notify: impl Fn(&dyn ChangeListener)) {
        let live: Vec<_> = self.lock().iter().filter_map(Weak::upgrade).collect();
        live.iter().map(Arc::as_ref).for_each(notify);
    }

    /// A list poisoned by a panic is still valid: each entry is complete.
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn ChangeListener>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ChangeListeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChangeListeners")
            .field(&self.lock().len())
            .finish()
    }
}
