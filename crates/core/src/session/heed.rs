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
pub trait Heed: Send + Sync {
    /// A client ([`crate::ClientIp::network`]) is banned from now on.
    fn banned(&self, client: IpNet);

    /// Another policy is in force.
    fn replaced(&self);
}

/// Those who are told, as long as they live.
#[derive(Default)]
pub struct Heeders(Mutex<Vec<Weak<dyn Heed>>>);

// === impl Heeders ===

impl Heeders {
    /// Tells `heeder` of all that comes.
    pub fn add(&self, heeder: Weak<dyn Heed>) {
        let mut heeders = self.lock();
        heeders.retain(|heeder| heeder.strong_count() > 0);
        heeders.push(heeder);
    }

    /// Tells everyone. They are told outside of the lock.
    pub fn tell(&self, tell: impl Fn(&dyn Heed)) {
        let living: Vec<_> = self.lock().iter().filter_map(Weak::upgrade).collect();
        living.iter().map(Arc::as_ref).for_each(tell);
    }

    /// A list that somebody left in a panic is still good: each entry is whole.
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn Heed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Heeders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Heeders").field(&self.lock().len()).finish()
    }
}
