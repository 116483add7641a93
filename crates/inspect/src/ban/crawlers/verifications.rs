//! Pending and finished verifications.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gabion_core::{BuildClientKeyHasher, ClientIp, ClientKey, Now, Offense};
use ipnet::IpNet;

use super::{CrawlerConfig, CrawlerFinding, CrawlerLookup, crawler::Crawler};
use crate::bounded_map::BoundedMap;

/// The clients that claim to be crawlers, and what is known of their addresses.
///
/// # Capacity
///
/// [`MAX_PENDING`] pending clients. Of more than [`MAX_CLIENTS`] clients, the crawlers and findings of those seen least
/// often are forgotten.
#[derive(Debug)]
pub(crate) struct Verifications {
    /// The crawler that the `User-Agent` of the client named last.
    named: BoundedMap<ClientKey, Option<Arc<Crawler>>, BuildClientKeyHasher>,
    findings: BoundedMap<ClientKey, Option<Finding>, BuildClientKeyHasher>,
    /// Locked for offenses that would ban a client that claims to be a crawler, and by the resolver.
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    crawlers: Vec<CrawlerConfig>,
    // Invariant: at most `MAX_PENDING`, since only `Self::add` inserts.
    pending: HashMap<ClientKey, Pending, BuildClientKeyHasher>,
    /// The second of the last lookup, by the monotonic clock, and the number of lookups in it.
    second: u64,
    taken: u32,
}

/// A client whose claim is not verified yet.
#[derive(Debug)]
struct Pending {
    client: ClientIp,
    crawler: Arc<Crawler>,
    /// The first offense that would have banned the client.
    offense: Offense,
    since: Duration,
    /// The time of the next lookup.
    due: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Finding {
    is_verified: bool,
    until: Duration,
}

/// The time in which a verified client is never banned.
pub(crate) const VERIFIED_FOR: Duration = Duration::from_hours(24);

/// The time in which a client whose claim is refuted, or could not be verified in time, is treated as any other.
pub(crate) const REFUTED_FOR: Duration = Duration::from_hours(1);

/// The time after a lookup without a finding in which it is repeated.
pub(crate) const LOOKUP_RETRY: Duration = Duration::from_mins(5);

/// The time since the first offense of a client in which it is not banned without a finding.
pub(crate) const PENDING_FOR: Duration = Duration::from_mins(15);

/// The largest number of clients whose claim is pending. Further ones are denied, and not banned.
pub(crate) const MAX_PENDING: usize = 1024;

/// The largest number of lookups that begin in a second.
pub(crate) const LOOKUPS_PER_SECOND: u32 = 10;

/// The number of clients whose crawlers, and whose findings, are remembered.
const MAX_CLIENTS: usize = 4096;

/// The reason why a verified client is not banned.
pub(crate) const VERIFIED: &str = "its address is that of the crawler that it claims to be";

const PENDING: &str = "it claims to be a crawler, and its address is not verified yet";

const QUEUE_FULL: &str = "it claims to be a crawler, and too many addresses wait for verification";

// === impl Verifications ===

impl Verifications {
    /// Remembers at most `clients` clients.
    pub(crate) fn new(clients: usize) -> Self {
        let clients = clients.min(MAX_CLIENTS);
        Self {
            named: BoundedMap::new(clients),
            findings: BoundedMap::new(clients),
            queue: Mutex::default(),
        }
    }

    /// Takes over the crawlers of a policy. Others than before invalidate all findings.
    pub(crate) fn configure(&self, crawlers: &[CrawlerConfig]) {
        let mut queue = self.lock();
        if queue.crawlers == crawlers {
            return;
        }
        *queue = Queue {
            crawlers: crawlers.to_owned(),
            ..Queue::default()
        };
        for (client, _) in self.named.entries() {
            self.named.remove(client);
        }
        for (client, _) in self.findings.entries() {
            self.findings.remove(client);
        }
    }

    /// Records that a client claims to be a crawler.
    pub(crate) fn record_agent(&self, client: &ClientIp, crawler: &Arc<Crawler>) {
        let record = |named: &mut Option<Arc<Crawler>>| *named = Some(Arc::clone(crawler));
        self.named.update(client.into(), record);
    }

    /// Returns `true` if the client was verified in time.
    pub(crate) fn is_verified(&self, client: &ClientIp, now: Now) -> bool {
        let finding = self.finding(client.into(), now);
        finding.is_some_and(|finding| finding.is_verified)
    }

    /// Returns the reason why an offense does not ban the client now; `None` if it bans. Requests a lookup if the
    /// client claims to be a crawler, and nothing is known of its address.
    pub(crate) fn withhold(
        &self,
        client: &ClientIp,
        offense: &Offense,
        now: Now,
    ) -> Option<&'static str> {
        let key = ClientKey::from(client);
        let crawler = self.named.get(key).flatten()?;
        if let Some(finding) = self.finding(key, now) {
            return finding.is_verified.then_some(VERIFIED);
        }
        let mut queue = self.lock();
        match queue.pending.get(&key) {
            Some(pending) if pending.is_overdue(now) => {
                queue.pending.remove(&key);
                self.remember(key, false, now);
                None
            }
            Some(_) => Some(PENDING),
            None => Some(queue.add(key, client, crawler, offense, now)),
        }
    }

    /// Returns `true` if a client of `network` is verified, or may still be.
    pub(crate) fn touches(&self, network: IpNet, now: Now) -> bool {
        let is_inside = |client: &ClientKey| network.contains(&client.network());
        let queue = self.lock();
        if queue.crawlers.is_empty() {
            return false;
        }
        let is_pending = queue.pending.keys().any(is_inside);
        drop(queue);
        let is_verified = |(client, finding): &(ClientKey, Option<Finding>)| {
            let verified = finding.filter(|finding| finding.is_verified && finding.is_valid(now));
            verified.is_some() && is_inside(client)
        };
        is_pending || self.findings.entries().iter().any(is_verified)
    }

    /// Returns the lookup that has waited longest, if one is due and the rate admits it.
    pub(crate) fn next_lookup(&self, now: Now) -> Option<CrawlerLookup> {
        let mut queue = self.lock();
        let overdue: Vec<_> = queue
            .pending
            .iter()
            .filter(|(_, pending)| pending.is_overdue(now))
            .map(|(client, _)| *client)
            .collect();
        for client in overdue {
            queue.pending.remove(&client);
            self.remember(client, false, now);
        }
        queue.take_lookup(now)
    }

    /// Records the finding of a lookup. Returns the client, and the offense for which it is to be banned, if its claim
    /// is refuted.
    pub(crate) fn record(
        &self,
        lookup: &CrawlerLookup,
        finding: CrawlerFinding,
        now: Now,
    ) -> Option<(ClientIp, Offense)> {
        let mut queue = self.lock();
        let pending = queue.pending.get(&lookup.client)?;
        let is_same = Arc::ptr_eq(&pending.crawler, &lookup.crawler);
        if !is_same || pending.since != lookup.since || finding == CrawlerFinding::Failed {
            return None;
        }
        let pending = queue.pending.remove(&lookup.client)?;
        drop(queue);
        let is_verified = finding == CrawlerFinding::Verified;
        self.remember(lookup.client, is_verified, now);
        (!is_verified).then_some((pending.client, pending.offense))
    }

    /// Erases what is known of a client.
    pub(crate) fn forget(&self, client: ClientKey) {
        self.lock().pending.remove(&client);
        self.named.remove(client);
        self.findings.remove(client);
    }

    fn finding(&self, client: ClientKey, now: Now) -> Option<Finding> {
        let finding = self.findings.get(client).flatten();
        finding.filter(|finding| finding.is_valid(now))
    }

    fn remember(&self, client: ClientKey, is_verified: bool, now: Now) {
        let lifetime = if is_verified {
            VERIFIED_FOR
        } else {
            REFUTED_FOR
        };
        let until = now.mono().saturating_add(lifetime);
        let found = Finding { is_verified, until };
        self.findings
            .update(client, |finding| *finding = Some(found));
    }

    /// A panic under this lock could only come from an allocation, which leaves the queue consistent.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Queue ===

impl Queue {
    /// Adds a client if there is room, and returns the reason why it is not banned.
    fn add(
        &mut self,
        key: ClientKey,
        client: &ClientIp,
        crawler: Arc<Crawler>,
        offense: &Offense,
        now: Now,
    ) -> &'static str {
        if self.pending.len() >= MAX_PENDING {
            return QUEUE_FULL;
        }
        let pending = Pending {
            client: *client,
            crawler,
            offense: offense.clone(),
            since: now.mono(),
            due: now.mono(),
        };
        self.pending.insert(key, pending);
        PENDING
    }

    fn take_lookup(&mut self, now: Now) -> Option<CrawlerLookup> {
        let second = now.mono().as_secs();
        if self.second != second {
            (self.second, self.taken) = (second, 0);
        }
        if self.taken >= LOOKUPS_PER_SECOND {
            return None;
        }
        let due = self.pending.iter_mut();
        let due = due.filter(|(_, pending)| pending.due <= now.mono());
        let (client, pending) = due.min_by_key(|(_, pending)| pending.due)?;
        self.taken = self.taken.saturating_add(1);
        // Until there is a finding, also if it is lost.
        pending.due = now.mono().saturating_add(LOOKUP_RETRY);
        Some(CrawlerLookup {
            addr: pending.client.addr(),
            crawler: Arc::clone(&pending.crawler),
            client: *client,
            since: pending.since,
        })
    }
}

// === impl Pending ===

impl Pending {
    fn is_overdue(&self, now: Now) -> bool {
        now.mono().saturating_sub(self.since) >= PENDING_FOR
    }
}

// === impl Finding ===

impl Finding {
    fn is_valid(&self, now: Now) -> bool {
        now.mono() < self.until
    }
}
