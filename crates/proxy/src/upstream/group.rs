//! A group of equivalent upstreams.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use gabion_core::{Sink, UpstreamState};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Lease, Member, OwnAddressError, Upstream, UpstreamOptions, UpstreamTls, UpstreamTlsError,
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

    /// Returns the state of each upstream, as events describe it.
    pub fn states(&self) -> impl Iterator<Item = UpstreamState> {
        self.0.members.iter().map(|member| member.reported_state())
    }

    /// Sets the destination of events, like [`UpstreamOptions::with_sink`], of a group that is not in use yet: its
    /// state begins anew.
    pub fn with_sink(&self, sink: Arc<dyn Sink>) -> Self {
        let members = self.0.members.iter();
        let upstreams = members.map(|member| member.upstream().clone()).collect();
        let options = self.0.options.clone().with_sink(sink);
        Self(Arc::new(Group::new(upstreams, options)))
    }

    /// Takes over the state of `previous`, a group that this one replaces: each upstream with the same URL keeps its
    /// requests in progress, its failures, ejection and health, its resolved addresses, and its open connections
    /// ([`ProxyOptions`](crate::ProxyOptions)). Weights and other options of the group may differ.
    ///
    /// The state of an upstream begins anew if the certificates or the name resolution differ, and its health if the
    /// health check differs.
    ///
    /// ```
    /// use gabion_proxy::{Upstream, UpstreamGroup, UpstreamOptions};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let options = UpstreamOptions::default();
    /// let urls: [Upstream; 2] = ["http://10.0.0.1:5000".parse()?, "http://10.0.0.2:5000".parse()?];
    /// let previous = UpstreamGroup::new(urls[..1].to_vec(), &options)?;
    /// let group = UpstreamGroup::new(urls, &options)?.continuing(&previous);
    /// assert_eq!(group.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn continuing(&self, previous: &Self) -> Self {
        Self(Arc::new(self.0.continuing(&previous.0)))
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
        let member = |upstream| Arc::new(Member::new(upstream, &options));
        let members = upstreams.into_iter().map(member).collect();
        Self::of_members(members, options)
    }

    fn of_members(members: Box<[Arc<Member>]>, options: UpstreamOptions) -> Self {
        Self {
            members,
            tls: options.tls.clone(),
            ejecting: Mutex::default(),
            start_waits: Semaphore::new(options.start_wait.max_requests()),
            options,
        }
    }

    fn continuing(&self, previous: &Self) -> Self {
        let keeps_state = self.options.reaches_servers_like(&previous.options);
        let keeps_health = self.options.health_check == previous.options.health_check;
        let mut left: Vec<_> = previous.members.iter().filter(|_| keeps_state).collect();
        let member = |member: &Arc<Member>| {
            let is_same = |known: &&Arc<Member>| known.upstream().is_same_server(member.upstream());
            let Some(at) = left.iter().position(is_same) else {
                return Arc::clone(member);
            };
            let known = left.swap_remove(at);
            if !keeps_health {
                known.forget_health_checks();
            }
            Arc::new(known.with_upstream(member.upstream().clone()))
        };
        let members = self.members.iter().map(member).collect();
        Self::of_members(members, self.options.clone())
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

    /// Records that a member responded.
    pub(crate) fn record_success(&self, idx: usize) {
        self.members[idx].record_success();
    }

    /// Records that a member did not respond, or with a gateway's error. Ejects it after several of them, if enough
    /// others are left. `failure` is displayed only then.
    pub(crate) fn record_failure(&self, idx: usize, failure: &dyn fmt::Display) {
        let member = &self.members[idx];
        member.resolution().expire();
        let Some(ejection) = &self.options.ejection else {
            return;
        };
        if self.has_one_member() || !member.count_failure(ejection) {
            return;
        }
        let _ejecting = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
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
        member.eject(now, ejection, failure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HealthCheck;

    #[tokio::test]
    async fn upstream_is_not_ejected_while_health_checks_exclude_all_others() {
        let check = HealthCheck::new("/").unwrap().with_thresholds(1, 1);
        let options = UpstreamOptions::default().with_health_check(check.clone());
        let urls = ["http://127.0.0.1:1", "http://127.0.0.1:2"];
        let upstreams = urls.map(|url| url.parse().unwrap());
        let group = UpstreamGroup::new(upstreams, &options).unwrap();
        let group = group.shared();
        let fail = || (0..10).for_each(|_| group.record_failure(1, &"lost"));
        group.members()[0].record_check(&check, Err("no response"));
        fail();
        assert!(group.members()[1].is_available(Instant::now()));
        group.members()[0].record_check(&check, Ok(()));
        fail();
        assert!(!group.members()[1].is_available(Instant::now()));
    }

    #[tokio::test]
    async fn states_are_those_of_the_last_checks_and_failures() {
        let check = HealthCheck::new("/").unwrap().with_thresholds(1, 1);
        let options = UpstreamOptions::default().with_health_check(check.clone());
        let urls = [
            "http://127.0.0.1:1",
            "http://127.0.0.1:2",
            "http://127.0.0.1:3",
        ];
        let upstreams = urls.map(|url| url.parse().unwrap());
        let group = UpstreamGroup::new(upstreams, &options).unwrap();
        group.shared().members()[0].record_check(&check, Err("no response"));
        (0..10).for_each(|_| group.shared().record_failure(1, &"lost"));
        let expected = [
            UpstreamState::Unhealthy,
            UpstreamState::Ejected,
            UpstreamState::Up,
        ];
        assert_eq!(group.states().collect::<Vec<_>>(), expected);
        group.shared().members()[0].record_check(&check, Ok(()));
        assert_eq!(group.states().next(), Some(UpstreamState::Up));
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
