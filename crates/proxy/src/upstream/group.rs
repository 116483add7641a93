//! A group of equivalent upstreams.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    HealthCheck, Lease, Member, OwnAddressError, Upstream, UpstreamOptions, UpstreamTls,
    UpstreamTlsError, millis::millis, resolve::Resolution,
};

/// Equivalent upstreams: each request goes to one of them.
///
/// Clones share the state of the upstreams. Create one group and clone it for the [`Proxy`](crate::Proxy) of each
/// worker. A single [`Upstream`] converts into a group with default [`UpstreamOptions`].
///
/// ```
/// use gabion_proxy::{Upstream, UpstreamGroup, UpstreamOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let upstreams: [Upstream; 2] = ["http://10.0.0.1:5000".parse()?, "unix:/run/app.sock".parse()?];
/// let group = UpstreamGroup::new(upstreams, &UpstreamOptions::default())?;
/// assert_eq!(group.len(), 2);
///
/// assert!(UpstreamGroup::new([], &UpstreamOptions::default()).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UpstreamGroup(Arc<Group>);

/// An error in an [`UpstreamGroup`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamGroupError {
    /// The group has no upstream.
    #[error("a group needs at least one upstream")]
    Empty,
    /// An upstream uses TLS, and the certificates to verify it with are missing.
    #[error(transparent)]
    Tls(#[from] UpstreamTlsError),
    /// The group has more upstreams than are supported.
    #[error("a group has at most {} upstreams, not {given}", UpstreamGroup::MAX)]
    TooMany {
        /// The number of upstreams.
        given: usize,
    },
}

#[derive(Debug)]
pub(crate) struct Group {
    // Invariant: not empty.
    members: Box<[Arc<Member>]>,
    options: UpstreamOptions,
    /// For upstreams with TLS.
    tls: Option<UpstreamTls>,
    created: Instant,
    /// Held while an upstream is ejected, so that two workers do not eject the last two.
    ejecting: Mutex<()>,
    /// The places of requests that wait for an upstream to start.
    start_waits: Semaphore,
}

/// The upstream has as many requests in progress as it may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseError;

// === impl UpstreamGroup ===

impl UpstreamGroup {
    /// The largest number of upstreams of a group.
    pub const MAX: usize = 64;

    /// Creates a group.
    ///
    /// # Errors
    ///
    /// Fails without an upstream, with more than [`Self::MAX`], and if an upstream uses TLS and the system has no
    /// root certificates.
    pub fn new(
        upstreams: impl IntoIterator<Item = Upstream>,
        options: &UpstreamOptions,
    ) -> Result<Self, UpstreamGroupError> {
        let upstreams: Vec<_> = upstreams.into_iter().collect();
        if upstreams.is_empty() {
            return Err(UpstreamGroupError::Empty);
        }
        if upstreams.len() > Self::MAX {
            return Err(UpstreamGroupError::TooMany {
                given: upstreams.len(),
            });
        }
        let mut options = options.clone();
        if options.tls.is_none() && upstreams.iter().any(Upstream::uses_tls) {
            options.tls = Some(UpstreamTls::with_system_roots()?);
        }
        Ok(Self(Arc::new(Group::new(upstreams, options))))
    }

    /// Returns the number of upstreams.
    pub fn len(&self) -> usize {
        self.0.members.len()
    }

    /// Returns `false`: a group has at least one upstream.
    pub fn is_empty(&self) -> bool {
        self.0.members.is_empty()
    }

    /// Returns an error if one of the upstreams is this process itself
    /// ([`UpstreamOptions::with_own_addresses`]).
    ///
    /// # Errors
    ///
    /// The first such upstream.
    pub fn check_own_addresses(&self) -> Result<(), OwnAddressError> {
        let own = &self.0.options.own;
        let mut members = self.0.members.iter();
        members.try_for_each(|member| own.check(member.upstream()))
    }

    pub(crate) const fn shared(&self) -> &Arc<Group> {
        &self.0
    }
}

impl From<Upstream> for UpstreamGroup {
    /// Creates a group with default options. If the upstream uses TLS and the system has no root certificates,
    /// each request fails with that reason; [`UpstreamGroup::new`] reports it at once.
    fn from(upstream: Upstream) -> Self {
        let mut options = UpstreamOptions::default();
        if upstream.uses_tls() {
            options.tls = UpstreamTls::with_system_roots().ok();
        }
        Self(Arc::new(Group::new(vec![upstream], options)))
    }
}

impl fmt::Display for UpstreamGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for member in &self.0.members {
            write!(f, "{separator}{}", member.upstream())?;
            separator = ", ";
        }
        Ok(())
    }
}

// === impl Group ===

impl Group {
    fn new(upstreams: Vec<Upstream>, options: UpstreamOptions) -> Self {
        let member = |upstream: Upstream| {
            let resolution = Resolution::new(
                upstream.name(),
                options.lookup.clone(),
                options.resolve_interval,
            );
            Arc::new(Member::new(upstream, resolution))
        };
        Self {
            members: upstreams.into_iter().map(member).collect(),
            tls: options.tls.clone(),
            created: Instant::now(),
            ejecting: Mutex::default(),
            start_waits: Semaphore::new(options.start_wait.max_requests()),
            options,
        }
    }

    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    pub(crate) const fn options(&self) -> &UpstreamOptions {
        &self.options
    }

    pub(crate) const fn tls(&self) -> Option<&UpstreamTls> {
        self.tls.as_ref()
    }

    pub(crate) const fn start_waits(&self) -> &Semaphore {
        &self.start_waits
    }

    pub(crate) fn has_one_member(&self) -> bool {
        self.members.len() == 1
    }

    /// The milliseconds since the group was created.
    pub(super) fn now(&self) -> u64 {
        millis(self.created.elapsed())
    }

    /// Counts a request in progress at a member. `None` within if nothing depends on the count.
    ///
    /// # Errors
    ///
    /// Fails if the member has as many as it may have.
    pub(crate) fn lease(&self, idx: usize) -> Result<Option<Lease>, LeaseError> {
        let most = self.options.max_requests;
        if self.has_one_member() && most.is_none() {
            return Ok(None);
        }
        let most = most.map_or(usize::MAX, NonZeroUsize::get);
        Lease::take(&self.members[idx], most)
            .map(Some)
            .ok_or(LeaseError)
    }

    /// Records the result of a health check.
    pub(crate) fn record_check(
        &self,
        member: &Member,
        check: &HealthCheck,
        result: Result<(), &str>,
    ) {
        member.record_check(check, result, self.now());
    }

    /// Records that a member responded.
    pub(crate) fn record_success(&self, idx: usize) {
        self.members[idx].record_success();
    }

    /// Records that a member did not respond, or with a gateway's error. Ejects it after several of them, if enough
    /// others are left.
    pub(crate) fn record_failure(&self, idx: usize) {
        let member = &self.members[idx];
        member.resolution().expire();
        let Some(ejection) = &self.options.ejection else {
            return;
        };
        if self.has_one_member() || !member.count_failure(ejection) {
            return;
        }
        let _ejecting = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let count = |condition: &dyn Fn(&Member) -> bool| {
            let members = self.members.iter();
            members.filter(|member| condition(member)).count()
        };
        let ejected = count(&|member| member.is_ejected(now));
        let available = count(&|member| member.is_available(now));
        let is_last = available <= usize::from(member.is_available(now));
        if member.is_ejected(now) || is_last || ejected >= ejection.max_ejected(self.members.len())
        {
            return;
        }
        member.eject(now, ejection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn upstream_is_not_ejected_while_health_checks_exclude_all_others() {
        let check = HealthCheck::new("/").unwrap().with_thresholds(1, 1);
        let options = UpstreamOptions::default().with_health_check(check.clone());
        let urls = ["http://127.0.0.1:1", "http://127.0.0.1:2"];
        let upstreams = urls.map(|url| url.parse().unwrap());
        let group = UpstreamGroup::new(upstreams, &options).unwrap();
        let group = group.shared();
        let fail = || (0..10).for_each(|_| group.record_failure(1));
        group.record_check(&group.members()[0], &check, Err("no response"));
        fail();
        assert!(group.members()[1].is_available(group.now()));
        group.record_check(&group.members()[0], &check, Ok(()));
        fail();
        assert!(!group.members()[1].is_available(group.now()));
    }

    #[test]
    fn group_has_from_1_to_64_upstreams() {
        let upstreams = |count| vec!["http://127.0.0.1:1".parse().unwrap(); count];
        let new = |count| UpstreamGroup::new(upstreams(count), &UpstreamOptions::default());
        assert!(matches!(new(0), Err(UpstreamGroupError::Empty)));
        assert!(matches!(
            new(65),
            Err(UpstreamGroupError::TooMany { given: 65 })
        ));
        assert_eq!(new(64).unwrap().len(), 64);
    }
}
