//! Lookups that verify crawlers.

use std::{net::IpAddr, sync::Arc, time::Duration};

use gabion_core::ClientKey;

use super::crawler::Crawler;

/// An address whose client claims to be a crawler, to be verified by forward-confirmed reverse DNS. Taken from
/// [`BanArbiter::next_crawler_lookup`](crate::BanArbiter::next_crawler_lookup).
///
/// 1. Resolve [`Self::addr`] to names (PTR).
/// 2. Of those that [`Self::accepts`], resolve each to addresses (A or AAAA).
/// 3. The claim is verified if the addresses of one name contain [`Self::addr`].
#[derive(Clone, Debug)]
pub struct CrawlerLookup {
    pub(super) addr: IpAddr,
    pub(super) crawler: Arc<Crawler>,
    pub(super) client: ClientKey,
    /// The time of the first offense.
    pub(super) since: Duration,
}

/// The result of a [`CrawlerLookup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrawlerFinding {
    /// A name of the crawler has this address: it is never banned by rules for a time.
    Verified,
    /// No name of the crawler has this address: it is banned for the offense that was kept.
    Refuted,
    /// DNS did not answer. The lookup is repeated later.
    Failed,
}

// === impl CrawlerLookup ===

impl CrawlerLookup {
    /// The address of the client.
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The claimed crawler: the name of a known one, or the agent of another.
    pub fn crawler(&self) -> &str {
        self.crawler.name()
    }

    /// Returns `true` if `name` is one of the crawler's domains or below one. The reverse zone of the address, and
    /// with it the name, belongs to the client: only a name that resolves to [`Self::addr`] verifies it.
    pub fn accepts(&self, name: &str) -> bool {
        self.crawler.owns(name)
    }
}
