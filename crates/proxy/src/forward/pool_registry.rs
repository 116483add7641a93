//! The connections that a proxy takes over from the one that it replaces.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use super::{http2_pool::Http2Pool, idle_connections::IdleConnections};
use crate::{
    UpstreamGroup,
    tunnels::WorkerId,
    upstream::{HttpVersion, Member, Resolution},
};

/// The open connections of all proxies of one [`ProxyOptions`](crate::ProxyOptions), by worker and upstream. Proxies of one worker share
/// those to an upstream whose state they share.
///
/// Used when a proxy is created, never for a request.
#[derive(Debug, Default)]
pub(super) struct PoolRegistry(Mutex<Vec<Entry>>);

/// The connections of one worker to one upstream.
#[derive(Clone, Debug)]
pub(super) struct SharedConnections {
    pub(super) idle: Arc<IdleConnections>,
    /// Set if the upstream speaks HTTP/2.
    pub(super) http2: Option<Arc<Http2Pool>>,
}

#[derive(Debug)]
struct Entry {
    worker: WorkerId,
    /// Identifies the upstream and the state that belongs to it.
    resolution: Weak<Resolution>,
    idle: Weak<IdleConnections>,
    http2: Weak<Http2Pool>,
}

// === impl PoolRegistry ===

impl PoolRegistry {
    /// Returns the connections of `worker` to `member`, which are new if it has none.
    pub(super) fn connections(
        &self,
        worker: WorkerId,
        member: &Member,
        pool_idle: Duration,
    ) -> SharedConnections {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Invariant: at most one for each upstream of each worker, since others are removed here.
        entries.retain(|entry| entry.idle.strong_count() > 0);
        let known = entries
            .iter()
            .filter(|entry| entry.is_of(worker, member.resolution()))
            .filter_map(Entry::connections)
            .find(|known| known.idle.timeout() == pool_idle);
        let is_http2 = member.upstream().http_version() == HttpVersion::Http2;
        known.unwrap_or_else(|| {
            let new = SharedConnections {
                idle: Arc::new(IdleConnections::new(pool_idle)),
                http2: is_http2.then(Arc::default),
            };
            entries.push(Entry {
                worker,
                resolution: Arc::downgrade(member.resolution()),
                idle: Arc::downgrade(&new.idle),
                http2: new.http2.as_ref().map(Arc::downgrade).unwrap_or_default(),
            });
            new
        })
    }

    /// Closes the idle connections of `worker` to upstreams that are in none of `groups`.
    pub(super) fn close_unused(&self, worker: WorkerId, groups: &[UpstreamGroup]) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_used = |entry: &Entry| {
            let mut members = groups.iter().flat_map(|group| group.shared().members());
            members.any(|member| entry.is_of(worker, member.resolution()))
        };
        let unused = entries.extract_if(.., |entry| entry.worker == worker && !is_used(entry));
        for connections in unused.filter_map(|entry| entry.connections()) {
            connections.idle.close();
            if let Some(http2) = connections.http2 {
                http2.close();
            }
        }
    }
}

// === impl Entry ===

impl Entry {
    fn is_of(&self, worker: WorkerId, resolution: &Arc<Resolution>) -> bool {
        self.worker == worker && self.resolution.as_ptr() == Arc::as_ptr(resolution)
    }

    /// Returns the connections if a proxy or an exchange still uses them.
    fn connections(&self) -> Option<SharedConnections> {
        Some(SharedConnections {
            idle: self.idle.upgrade()?,
            http2: self.http2.upgrade(),
        })
    }
}
