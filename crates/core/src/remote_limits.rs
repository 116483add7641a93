//! Limits about which a server decides for all instances.

use std::{pin::Pin, time::Duration};

use crate::{Denial, LimitCount};

/// One request against one quota of which a server has the only counter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RemoteCheck {
    /// The quota, the key, and the units that the request takes.
    pub count: LimitCount,
    /// The number of units of a full quota.
    pub burst: u32,
    /// The time in which one unit refills.
    pub interval: Duration,
    /// The denial, if there are not enough units. In observe mode, it does not keep the request from passing.
    pub denial: Denial,
}

/// A server that decides about exact limits for all instances, such as Redis.
///
/// Only requests to which an exact limit applies wait for it, and only if they passed by the counters of their
/// instance.
pub trait RemoteLimits: Send + Sync {
    /// Takes the units of all checks, if each enforced one has enough. Returns for each check the time until
    /// there is enough, zero if there is.
    ///
    /// Returns an empty list if the server does not decide within its budget: then the request passes. The
    /// future needs no runtime but the one that the implementation names.
    fn check(&self, checks: &[RemoteCheck]) -> Pin<Box<dyn Future<Output = Vec<Duration>> + Send>>;
}

// === impl RemoteCheck ===

impl RemoteCheck {
    /// Creates a check that is answered with `denial` if there are not enough units.
    pub const fn new(count: LimitCount, burst: u32, interval: Duration, denial: Denial) -> Self {
        Self {
            count,
            burst,
            interval,
            denial,
        }
    }
}
