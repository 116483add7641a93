//! Crawlers whose addresses are verified by forward-confirmed reverse DNS.
//!
//! A client that claims in its `User-Agent` to be a crawler of [`BanConfig::crawlers`](crate::BanConfig::crawlers)
//! is denied as any client. It is banned only once its claim is refuted:
//!
//! 1. The first offense that would ban it makes it pending, and keeps that offense.
//! 2. A resolver outside of this crate takes the address ([`BanArbiter::next_crawler_lookup`]), resolves it to
//!    names, and each name that [`CrawlerLookup::accepts`] to addresses, which must contain the first.
//! 3. The finding ([`BanArbiter::record_crawler`]) verifies the client for [`BanArbiter::VERIFIED_FOR`], or
//!    refutes it for [`BanArbiter::REFUTED_FOR`]; then it is banned for the offense that was kept.
//! 4. A lookup that fails is repeated every [`BanArbiter::LOOKUP_RETRY`]. Without a finding within
//!    [`BanArbiter::PENDING_FOR`] of the first offense, further offenses ban for [`BanArbiter::REFUTED_FOR`].
//!
//! [`BanArbiter::next_crawler_lookup`]: crate::BanArbiter::next_crawler_lookup
//! [`BanArbiter::record_crawler`]: crate::BanArbiter::record_crawler
//! [`BanArbiter::VERIFIED_FOR`]: crate::BanArbiter::VERIFIED_FOR
//! [`BanArbiter::REFUTED_FOR`]: crate::BanArbiter::REFUTED_FOR
//! [`BanArbiter::LOOKUP_RETRY`]: crate::BanArbiter::LOOKUP_RETRY
//! [`BanArbiter::PENDING_FOR`]: crate::BanArbiter::PENDING_FOR

mod agents;
mod config;
mod crawler;
mod lookup;
mod verifications;

pub(super) use agents::CrawlerAgents;
pub use config::{CrawlerConfig, CustomCrawler, KnownCrawler};
pub(super) use crawler::Crawler;
pub use lookup::{CrawlerFinding, CrawlerLookup};
pub(super) use verifications::{
    LOOKUP_RETRY, LOOKUPS_PER_SECOND, MAX_PENDING, PENDING_FOR, REFUTED_FOR, VERIFIED,
    VERIFIED_FOR, Verifications,
};
