//! The verification of crawlers, for a resolver of the server.

use gabion_core::{BanChange, BanEvent, BanOutcome, Event, Sink as _};
use gabion_inspect::{CrawlerFinding, CrawlerLookup};

use super::Guard;

impl Guard {
    /// Returns the next address to verify by DNS, of a client that claims to be a crawler of `[ban] crawlers` and would
    /// have been banned; `None` if none is due. At most
    /// [`LOOKUPS_PER_SECOND`](crate::ban::BanArbiter::LOOKUPS_PER_SECOND) begin in a second, and none while
    /// [`Self::observe_for`] is in force.
    ///
    /// A guard does no IO: a task of the server calls this about once a second, resolves the address and passes the
    /// result to [`Self::record_crawler`]. The binary `guard` does. Without such a task, each claim remains unverified,
    /// and bans its client after [`PENDING_FOR`](crate::ban::BanArbiter::PENDING_FOR).
    ///
    /// # Cost
    ///
    /// One lock, and a pass over at most [`MAX_PENDING`](crate::ban::BanArbiter::MAX_PENDING) clients.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::IpAddr;
    /// use gabion::{Guard, ban::{CrawlerFinding, CrawlerLookup}};
    /// # fn names_of(_: IpAddr) -> Result<Vec<String>, ()> { Ok(Vec::new()) }
    /// # fn addresses_of(_: &str) -> Result<Vec<IpAddr>, ()> { Ok(Vec::new()) }
    ///
    /// fn verify(lookup: &CrawlerLookup) -> Result<CrawlerFinding, ()> {
    ///     for name in names_of(lookup.addr())? {
    ///         if lookup.accepts(&name) && addresses_of(&name)?.contains(&lookup.addr()) {
    ///             return Ok(CrawlerFinding::Verified);
    ///         }
    ///     }
    ///     Ok(CrawlerFinding::Refuted)
    /// }
    ///
    /// let guard = Guard::from_policy("version = 1\n[ban]\ncrawlers = ['google', 'bing']\n")?;
    /// while let Some(lookup) = guard.next_crawler_lookup() {
    ///     let finding = verify(&lookup).unwrap_or(CrawlerFinding::Failed);
    ///     guard.record_crawler(&lookup, finding);
    /// }
    /// # Ok::<(), gabion::policy::PolicyError>(())
    /// ```
    pub fn next_crawler_lookup(&self) -> Option<CrawlerLookup> {
        if !self.observes_for().is_zero() {
            return None;
        }
        self.0.bans.arbiter().next_crawler_lookup(self.now())
    }

    /// Records the finding of a lookup. If it refutes the claim, the client is banned for the offense that was kept, and
    /// an event reports it. While [`Self::observe_for`] is in force, such a finding is dropped, and the lookup repeated
    /// later.
    pub fn record_crawler(&self, lookup: &CrawlerLookup, finding: CrawlerFinding) {
        if finding == CrawlerFinding::Refuted && !self.observes_for().is_zero() {
            return;
        }
        let now = self.now();
        let arbiter = self.0.bans.arbiter();
        let Some((client, offense, outcome)) = arbiter.record_crawler(lookup, finding, now) else {
            return;
        };
        let (at, sink) = (now.wall(), &self.0.sink);
        match outcome {
            BanOutcome::Banned(placement) => {
                let events = BanEvent::placed(at, client, offense, &placement);
                events.for_each(|event| sink.record(&Event::Ban(event)));
            }
            BanOutcome::Withheld(why) => {
                let event = BanEvent::new(at, client, offense, BanChange::Withheld(why));
                sink.record(&Event::Ban(event));
            }
            _ => {}
        }
    }
}
