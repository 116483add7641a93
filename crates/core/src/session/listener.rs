//! Who is told of what may end a session.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use ipnet::IpNet;

/// Hears of what may end an open session.
///
/// Called by whoever bans or replaces the policy, at times on the request path: an implementation
/// does not wait.
pub trait ChangeListener: Send + Sync {
    /// A client ([`crate::ClientIp::network`]) is banned from now on.
    fn on_ban(&self, client: IpNet);

    /// Another policy is in force.
    fn on_policy_replaced(&self);
}

/// Those who are told, as long as they live.
#[derive(Default)]
pub struct ChangeListeners(Mutex<Vec<Weak<dyn ChangeListener>>>);

// === impl Heeders ===

impl ChangeListeners {
    /// Tells `listener` of all that comes.
    pub fn subscribe(&self, listener: Weak<dyn ChangeListener>) {
        let mut listeners = self.lock();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(listener);
    }

    /// Tells everyone. They are told outside of the lock.
    pub fn notify(&self, notify: impl Fn(&dyn ChangeListener)) {
        let living: Vec<_> = self.lock().iter().filter_map(Weak::upgrade).collect();
        living.iter().map(Arc::as_ref).for_each(notify);
    }

    /// A list that somebody left in a panic is still good: each entry is whole.
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn ChangeListener>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ChangeListeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Heeders").field(&self.lock().len()).finish()
    }
}
