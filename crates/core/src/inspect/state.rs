//! The state of a request under inspection.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Extensions, Method};

use crate::{
    Attribution, BodyLimit, Cause, ClientIp, Denial, Facts, Needs, Now, Quota, RemoteCheck,
    Upgrade, Verdict,
};

/// The state of a request between its judgment and its response: what is known of the request, what
/// inspectors concluded, and what they keep for themselves.
///
/// A built-in inspector keeps numbers in [`Slot`]s, which are assigned when the policy is compiled.
/// A custom rule keeps values of its own types in [`Self::extensions_mut`]. So no inspector can
/// overwrite what another keeps.
///
/// # Cost
///
/// One allocation for requests of which anything rare is kept: an observed denial, a quota to
/// report, a probe, a WebSocket handshake, an extension. None for others.
#[derive(Clone, Debug)]
pub struct RequestState {
    client: ClientIp,
    now: Now,
    method: Method,
    path_hash: u64,
    attribution: Attribution,
    upgrade: Upgrade,
    is_counted: bool,
    is_suspicious: bool,
    slots: [u64; Slot::INLINE],
    rare: Option<Box<Rare>>,
}

/// The state that few requests have.
#[derive(Clone, Debug, Default)]
struct Rare {
    target: Option<Box<[u8]>>,
    probe: Option<Cause>,
    body_limit: Option<BodyLimit>,
    observed: Vec<Denial>,
    quotas: Vec<Quota>,
    remote_checks: Vec<RemoteCheck>,
    extensions: Extensions,
    /// The slots beyond [`Slot::INLINE`].
    slots: Vec<u64>,
}

/// A number that one inspector keeps in the [`RequestState`] from [`Inspect::inspect`] to
/// [`Inspect::on_response`]. Assigned by [`Slots`] when a policy is compiled.
///
/// [`Inspect::inspect`]: crate::Inspect::inspect
/// [`Inspect::on_response`]: crate::Inspect::on_response
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

/// The slots of one policy: assigns each at most once.
///
/// # Examples
///
/// ```
/// use gabion_core::Slots;
///
/// let slots = Slots::default();
/// assert_ne!(slots.assign(), slots.assign());
/// ```
#[derive(Debug, Default)]
pub struct Slots {
    assigned: AtomicUsize,
}

// === impl RequestState ===

impl RequestState {
    /// The maximum number of observed denials kept per request. Further ones are dropped.
    pub const MAX_OBSERVED: usize = 8;

    /// The maximum number of checks for which a request waits.
    pub const MAX_REMOTE_CHECKS: usize = 8;

    /// The maximum number of quotas reported to a client.
    pub const MAX_QUOTAS: usize = 4;

    /// Keeps the parts of `facts` that are needed after the response. Every slot is zero.
    pub fn new(facts: &Facts<'_>) -> Self {
        Self::new_for(facts, Needs::ALL)
    }

    /// Keeps the parts of `facts` that inspectors with these `needs` may read after the response:
    /// without [`Needs::HEADERS`] not [`Self::attribution`].
    #[inline]
    pub fn new_for(facts: &Facts<'_>, needs: Needs) -> Self {
        let attribution = if needs.contains(Needs::HEADERS) {
            facts.attribution()
        } else {
            Attribution::CrossSite
        };
        let is_websocket = facts.upgrade == Upgrade::WebSocket;
        Self {
            client: facts.client,
            now: facts.now,
            method: facts.method.clone(),
            path_hash: facts.path.hash(),
            attribution,
            upgrade: facts.upgrade,
            is_counted: false,
            is_suspicious: false,
            slots: [0; Slot::INLINE],
            rare: is_websocket.then(|| Rare::with_target(facts)),
        }
    }

    /// The client.
    pub const fn client(&self) -> &ClientIp {
        &self.client
    }

    /// The time of judgment.
    pub const fn now(&self) -> Now {
        self.now
    }

    /// The method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// A hash of the path: stable for the same path, not secret.
    pub const fn path_hash(&self) -> u64 {
        self.path_hash
    }

    /// The protocol upgrade that the request offered.
    pub const fn upgrade(&self) -> Upgrade {
        self.upgrade
    }

    /// The degree to which the request can be held against the client. An inspector that reads it has
    /// [`Needs::HEADERS`]: for a policy without this need it is [`Attribution::CrossSite`], which never
    /// counts.
    pub const fn attribution(&self) -> Attribution {
        self.attribution
    }

    /// Returns `true` if an outer layer counts this exchange toward the standing of its client, so
    /// that an inner one must not.
    pub const fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Marks the exchange as counted by an outer layer.
    pub const fn set_counted(&mut self, is_counted: bool) {
        self.is_counted = is_counted;
    }

    /// Returns `true` if the request is one that scanners send. Its response does not improve the
    /// standing of the client.
    pub const fn is_suspicious(&self) -> bool {
        self.is_suspicious
    }

    /// Marks the request as one that scanners send.
    pub const fn mark_suspicious(&mut self) {
        self.is_suspicious = true;
    }

    /// The number in `slot`: zero until it is set.
    #[inline]
    pub fn slot(&self, slot: Slot) -> u64 {
        let beyond = || self.rare.as_ref()?.slots.get(slot.beyond_inline()?);
        let found = self.slots.get(slot.0).or_else(beyond);
        found.copied().unwrap_or_default()
    }

    /// Sets the number in `slot`.
    #[inline]
    pub fn set_slot(&mut self, slot: Slot, number: u64) {
        if let Some(kept) = self.slots.get_mut(slot.0) {
            *kept = number;
        } else if let Some(index) = slot.beyond_inline() {
            let slots = &mut self.rare_mut().slots;
            if slots.len() <= index {
                slots.resize(index.saturating_add(1), 0);
            }
            if let Some(kept) = slots.get_mut(index) {
                *kept = number;
            }
        }
    }

    /// The values that custom rules keep, by type.
    pub fn extensions(&self) -> Option<&Extensions> {
        self.rare.as_ref().map(|rare| &rare.extensions)
    }

    /// The values that custom rules keep, by type, to change them.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.rare_mut().extensions
    }

    /// Marks the request as a probe: a request that only a vulnerability scanner makes.
    pub fn mark_probe(&mut self, cause: Cause) {
        self.mark_suspicious();
        self.rare_mut().probe = Some(cause);
    }

    /// The reason why the request is a probe.
    pub fn probe(&self) -> Option<&Cause> {
        self.rare.as_ref()?.probe.as_ref()
    }

    /// Keeps the request's target for events about its response, if the request is a probe or an
    /// observed denial was recorded. The target of a WebSocket handshake is always kept; other
    /// requests are not copied.
    pub fn keep_target(&mut self, facts: &Facts<'_>) {
        if let Some(rare) = &mut self.rare
            && (rare.probe.is_some() || !rare.observed.is_empty())
        {
            rare.target = Some(facts.kept_target());
        }
    }

    /// The request's target, at most
    /// [`RequestEvent::MAX_TARGET`](crate::RequestEvent::MAX_TARGET) bytes, if it was kept.
    pub fn target(&self) -> Option<&[u8]> {
        self.rare.as_ref()?.target.as_deref()
    }

    /// Reports the remaining quota of a limit to the client, in response headers. Beyond
    /// [`Self::MAX_QUOTAS`] it is dropped.
    pub fn show_quota(&mut self, quota: Quota) {
        let quotas = &mut self.rare_mut().quotas;
        if quotas.len() < Self::MAX_QUOTAS {
            // Most policies show one limit at most.
            quotas.reserve_exact(1);
            quotas.push(quota);
        }
    }

    /// The quotas to report.
    pub fn quotas(&self) -> &[Quota] {
        self.rare.as_ref().map_or(&[], |rare| &rare.quotas)
    }

    /// Returns the [`Self::quotas`], without the rest of the state.
    pub fn into_quotas(self) -> Vec<Quota> {
        self.rare.map(|rare| rare.quotas).unwrap_or_default()
    }

    /// Lets the request wait for a [`RemoteLimits`](crate::RemoteLimits), if it passes otherwise. Beyond
    /// [`Self::MAX_REMOTE_CHECKS`] it is dropped.
    pub fn add_remote_check(&mut self, check: RemoteCheck) {
        let checks = &mut self.rare_mut().remote_checks;
        if checks.len() < Self::MAX_REMOTE_CHECKS {
            checks.push(check);
        }
    }

    /// Takes the checks by a [`RemoteLimits`](crate::RemoteLimits) for which the request waits.
    pub fn take_remote_checks(&mut self) -> Vec<RemoteCheck> {
        let rare = self.rare.as_mut();
        rare.map(|rare| std::mem::take(&mut rare.remote_checks))
            .unwrap_or_default()
    }

    /// Limits the body of a request that does not announce its length. The lowest limit applies.
    pub fn limit_body(&mut self, limit: BodyLimit) {
        let kept = &mut self.rare_mut().body_limit;
        *kept = Some(kept.map_or(limit, |other| other.min(limit)));
    }

    /// The limit of the body, if it is limited.
    pub fn body_limit(&self) -> Option<BodyLimit> {
        self.rare.as_ref()?.body_limit
    }

    /// Records a denial in observe mode.
    pub fn observe(&mut self, denial: Denial) {
        let observed = &mut self.rare_mut().observed;
        if observed.len() < Self::MAX_OBSERVED {
            observed.push(denial);
        }
    }

    /// Records `verdict` and turns it into a pass, if it is a denial in observe mode: judgment then
    /// continues.
    pub fn observe_or_decide(&mut self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Deny(denial) if denial.is_observed() => {
                self.observe(*denial);
                Verdict::Pass
            }
            decided => decided,
        }
    }

    /// The recorded denials in observe mode.
    pub fn observed(&self) -> &[Denial] {
        self.rare.as_ref().map_or(&[], |rare| &rare.observed)
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

// === impl Rare ===

impl Rare {
    #[cold]
    fn with_target(facts: &Facts<'_>) -> Box<Self> {
        let target = Some(facts.kept_target());
        Box::new(Self {
            target,
            ..Self::default()
        })
    }
}

// === impl Slot ===

impl Slot {
    /// The number of slots that need no allocation.
    const INLINE: usize = 4;

    /// The index among the slots that need an allocation.
    const fn beyond_inline(self) -> Option<usize> {
        self.0.checked_sub(Self::INLINE)
    }
}

// === impl Slots ===

impl Slots {
    /// Assigns the next slot.
    pub fn assign(&self) -> Slot {
        Slot(self.assigned.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::{HeaderMap, Uri, Version};

    use super::*;
    use crate::{ClientRules, Framing, Head, PeerAddr, Scheme};

    #[test]
    fn slots_are_kept_apart_within_and_beyond_the_inline_ones() {
        let (uri, headers) = (Uri::from_static("/"), HeaderMap::new());
        let head = Head {
            method: &Method::GET,
            uri: &uri,
            version: Version::HTTP_11,
            headers: &headers,
            protocol: None,
            framing: Framing::AsShown,
            scheme: Scheme::Plain,
        };
        let peer = PeerAddr::new(([203, 0, 113, 9], 4000).into());
        let now = Now::new(Duration::ZERO, UNIX_EPOCH);
        let facts = Facts::resolve(head, peer, &ClientRules::default(), now);
        let mut state = RequestState::new(&facts);
        let assigned = Slots::default();
        let slots: Vec<_> = (0..Slot::INLINE * 3).map(|_| assigned.assign()).collect();
        for (number, slot) in (1..).zip(&slots) {
            assert_eq!(state.slot(*slot), 0);
            state.set_slot(*slot, number);
        }
        for (number, slot) in (1..).zip(&slots) {
            assert_eq!(state.slot(*slot), number);
        }
    }
}
