//! The verification of crawlers by forward-confirmed reverse DNS, off the request path.
//!
//! Once a second, the addresses that are due are taken from the guard, to which the policies of routes report offenses, too. Each
//! has [`LOOKUP_TIMEOUT`] for all of its queries. The owner of an address chooses its names, so that they are
//! logged escaped.

mod dns;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use gabion::{
    Guard,
    ban::{BanArbiter, CrawlerFinding, CrawlerLookup},
};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tracing::{debug, info, warn};

use dns::{Dns, DnsError};

/// A guard, and the resolver for its crawlers.
pub(crate) struct CrawlerVerifier {
    guard: Guard,
    /// `None` for the servers of `/etc/resolv.conf`.
    dns_server: Option<SocketAddr>,
    /// Read with the first lookup, so that a guard without one needs none.
    dns: Option<Arc<Dns>>,
    failures: Failures,
}

/// The failed lookups since the last line of the log about them.
#[derive(Debug, Default)]
struct Failures {
    count: u64,
    reported: Option<Instant>,
}

/// The result of one lookup.
#[derive(Debug)]
struct Verification {
    lookup: CrawlerLookup,
    result: Result<Answer, DnsError>,
}

/// What DNS answered about a client.
#[derive(Debug)]
enum Answer {
    /// The name has the address.
    Verified(String),
    /// The names of the address, none of which verifies it.
    Refuted(Vec<String>),
}

/// The names of an address, for the log.
struct Names<'n>(&'n [String]);

/// The interval in which addresses are taken.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time for all queries about one address.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(8);

/// The largest number of lookups at a time.
const MAX_LOOKUPS: usize = 32;

/// The largest number of names of one address that are resolved to addresses.
const MAX_NAMES: usize = 4;

/// The time between two lines of the log about failed lookups.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

// === impl CrawlerVerifier ===

impl CrawlerVerifier {
    pub(crate) fn new(guard: Guard, dns_server: Option<SocketAddr>) -> Self {
        Self {
            guard,
            dns_server,
            dns: None,
            failures: Failures::default(),
        }
    }

    /// Verifies crawlers until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut lookups = JoinSet::new();
        loop {
            tokio::select! {
                _ = ticks.tick() => self.start(&mut lookups),
                Some(finished) = lookups.join_next() => {
                    if let Ok(finished) = finished {
                        self.finish(&finished);
                    }
                }
            }
        }
    }

    /// Starts the lookups that are due.
    fn start(&mut self, lookups: &mut JoinSet<Verification>) {
        while lookups.len() < MAX_LOOKUPS
            && let Some(lookup) = self.guard.next_crawler_lookup()
        {
            match self.dns() {
                Ok(dns) => {
                    lookups.spawn(async move {
                        let verified = timeout(LOOKUP_TIMEOUT, verify(&dns, &lookup)).await;
                        let result = verified.unwrap_or(Err(DnsError::Timeout));
                        Verification { lookup, result }
                    });
                }
                Err(error) => self.failures.report(&error),
            }
        }
    }

    fn dns(&mut self) -> io::Result<Arc<Dns>> {
        if let Some(dns) = &self.dns {
            return Ok(Arc::clone(dns));
        }
        let dns = Arc::new(Dns::new(self.dns_server)?);
        self.dns = Some(Arc::clone(&dns));
        Ok(dns)
    }

    /// Records and logs the result of a lookup.
    fn finish(&mut self, finished: &Verification) {
        let lookup = &finished.lookup;
        let (client, crawler) = (lookup.addr(), lookup.crawler().escape_debug());
        let finding = match &finished.result {
            Ok(Answer::Verified(name)) => {
                let name = name.escape_debug();
                info!(
                    "{client} is the crawler `{crawler}`, by its name `{name}`: rules do not ban it"
                );
                CrawlerFinding::Verified
            }
            Ok(Answer::Refuted(names)) => {
                let names = Names(names);
                info!("{client} is not the crawler `{crawler}` that it claims to be: {names}");
                CrawlerFinding::Refuted
            }
            Err(error) => {
                debug!("cannot verify {client} as crawler `{crawler}`: {error}");
                self.failures.report(error);
                CrawlerFinding::Failed
            }
        };
        self.guard.record_crawler(lookup, finding);
    }
}

/// Resolves the address to names, and those of the crawler to addresses.
async fn verify(dns: &Dns, lookup: &CrawlerLookup) -> Result<Answer, DnsError> {
    let names = dns.names(lookup.addr()).await?;
    let mut failed = None;
    let accepted = names.iter().filter(|name| lookup.accepts(name));
    let accepted: Vec<_> = accepted.take(MAX_NAMES).collect();
    for name in accepted {
        match dns.addrs(name, lookup.addr()).await {
            Ok(addrs) if addrs.contains(&lookup.addr()) => {
                return Ok(Answer::Verified(name.clone()));
            }
            Ok(_) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(Answer::Refuted(names)), Err)
}

// === impl Failures ===

impl Failures {
    /// Counts a failure, and reports it with those since the last report, at most once a minute.
    fn report(&mut self, error: &dyn fmt::Display) {
        self.count += 1;
        let now = Instant::now();
        let is_due = |at: Instant| now.duration_since(at) >= REPORT_INTERVAL;
        if self.reported.is_none_or(is_due) {
            warn!(
                "cannot verify clients that claim to be crawlers: {error} ({} lookups failed since the last report). They \
                 are denied, and banned only for offenses {} minutes after their first",
                self.count,
                BanArbiter::PENDING_FOR.as_secs() / 60
            );
            (self.count, self.reported) = (0, Some(now));
        }
    }
}

// === impl Names ===

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("its address has no name");
        }
        f.write_str("no name of its address is one of the crawler and leads back to it:")?;
        let names = self.0.iter().take(MAX_NAMES);
        for name in names {
            write!(f, " `{}`", name.escape_debug())?;
        }
        Ok(())
    }
}
