//! Timed bans that layers share, and bans by an operator.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use gabion_core::{
    AllowRecord, BanOutcome, BanRecord, ChangeListener, ClientIp, ClientRules, PeerAddr, RuleId,
    UpdateOrigin,
};
use gabion_inspect::{ActiveBan, BanArbiter, BanTable};
use gabion_tower::{Clock, SystemClock};
use http::HeaderMap;
use ipnet::IpNet;

/// Timed bans, shared by layers. Clones share them.
///
/// Offenses that the layers find are weighed by a [`BanArbiter`] before they ban: attribution, the standing of
/// the client and the ban budget count. Bans by an operator ([`Self::ban`]) are placed at once. A
/// [`Guard`](crate::Guard) has its own ([`Guard::bans`](crate::Guard::bans)).
///
/// # Capacity
///
/// At most [`Self::CAPACITY`] bans unless another capacity is set; a full table drops the ban nearest its end.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion::ban::{BanOutcome, Bans};
///
/// let bans = Bans::new();
/// let hour = Duration::from_secs(3600);
/// let outcome = bans.ban("203.0.113.9".parse()?, hour, "scraper");
/// assert!(matches!(outcome, BanOutcome::Banned(_)));
/// assert_eq!(bans.find("203.0.113.9".parse()?).unwrap().reason.as_deref(), Some("scraper"));
/// // A private address stands for everyone behind it.
/// let outcome = bans.ban("192.168.0.7".parse()?, hour, "scraper");
/// assert!(matches!(outcome, BanOutcome::Withheld(_)));
///
/// assert!(bans.unban("203.0.113.9".parse()?));
/// assert!(bans.find("203.0.113.9".parse()?).is_none());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone)]
pub struct Bans {
    arbiter: Arc<BanArbiter>,
    clock: Arc<dyn Clock>,
}

// === impl Bans ===

impl Bans {
    /// The default capacity.
    pub const CAPACITY: usize = 100_000;

    /// The rule of bans by an operator.
    pub const OPERATOR: RuleId = RuleId::builtin("ban/operator");

    /// Creates an empty table of [`Self::CAPACITY`] bans.
    pub fn new() -> Self {
        Self::with_capacity(Self::CAPACITY)
    }

    /// Creates an empty table of at most `capacity` bans, that remembers twice as many clients.
    pub fn with_capacity(capacity: usize) -> Self {
        let table = Arc::new(BanTable::new(capacity));
        let arbiter = BanArbiter::new(table, capacity.saturating_mul(2));
        Self::from_arbiter(Arc::new(arbiter), Arc::new(SystemClock::new()))
    }

    /// Reads the time from `clock`.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    pub(crate) fn from_arbiter(arbiter: Arc<BanArbiter>, clock: Arc<dyn Clock>) -> Self {
        Self { arbiter, clock }
    }

    /// Bans `client` for `duration`, at once and beyond the ban budget. Of two bans the later end counts.
    ///
    /// An IPv6 address is banned with its /64, or by the public IPv4 address that it embeds
    /// ([`ClientRules::resolve`]). Loopback and private addresses are not banned
    /// ([`BanOutcome::Withheld`]).
    pub fn ban(
        &self,
        client: IpAddr,
        duration: Duration,
        reason: impl Into<Arc<str>>,
    ) -> BanOutcome {
        self.place(&resolve(client, &ClientRules::default()), duration, reason)
    }

    pub(crate) fn place(
        &self,
        client: &ClientIp,
        duration: Duration,
        reason: impl Into<Arc<str>>,
    ) -> BanOutcome {
        if let Some(why) = client.exempt_from_bans() {
            return BanOutcome::Withheld(why);
        }
        let now = self.clock.now();
        let record = BanRecord {
            network: client.network(),
            by: Self::OPERATOR,
            reason: Some(reason.into()).filter(|reason: &Arc<str>| !reason.is_empty()),
            since: now.wall(),
            until: now.wall_after(duration),
            offenses: 0,
        };
        // By the same reading of the clock, so that it lasts as long as was said.
        let table = self.arbiter.table();
        table.add(&record, UpdateOrigin::Operator, now)
    }

    /// Lifts every ban that covers `client`. Returns `true` if there was one.
    ///
    /// # Cost
    ///
    /// Copies the table of bans.
    pub fn unban(&self, client: IpAddr) -> bool {
        let client = resolve(client, &ClientRules::default()).addr();
        !self
            .unban_where(|ban| ban.network.contains(&client))
            .is_empty()
    }

    /// Lifts every ban that `selects` accepts, and returns those.
    ///
    /// # Cost
    ///
    /// Copies the table of bans, and visits it while no other thread can ban.
    pub fn unban_where(&self, selects: impl Fn(&BanRecord) -> bool) -> Vec<BanRecord> {
        let table = self.arbiter.table();
        let mut selected = table.records(self.clock.now());
        selected.retain(selects);
        selected.retain(|ban| table.unban(ban.network, UpdateOrigin::Operator));
        selected
    }

    /// Returns the ban that covers `client`, with the time that is left of it.
    ///
    /// # Cost
    ///
    /// One lookup without a lock. IPv6 is looked up by its /64.
    pub fn find(&self, client: IpAddr) -> Option<ActiveBan> {
        let client = resolve(client, &ClientRules::default());
        self.arbiter.table().active(&client, self.clock.now())
    }

    /// Returns all bans in force, the one nearest its end first.
    ///
    /// # Cost
    ///
    /// Copies and sorts the table.
    pub fn list(&self) -> Vec<(IpNet, ActiveBan)> {
        self.arbiter.table().list(self.clock.now())
    }

    /// Returns the bans of [`Self::list`] with their wall-clock times, as a store keeps them.
    pub fn records(&self) -> Vec<BanRecord> {
        self.arbiter.table().records(self.clock.now())
    }

    /// Returns the temporary exemptions in force, the one nearest its end first.
    pub fn allows(&self) -> Vec<AllowRecord> {
        self.arbiter.allows().records(self.clock.now())
    }

    #[cfg(feature = "policy")]
    pub(crate) fn add(&self, record: &BanRecord, origin: UpdateOrigin) -> BanOutcome {
        self.arbiter.table().add(record, origin, self.clock.now())
    }

    /// The number of bans held, expired ones included until [`Self::maintain`] drops them.
    pub fn len(&self) -> usize {
        self.arbiter.table().len()
    }

    /// The largest number of bans.
    pub fn capacity(&self) -> usize {
        self.arbiter.table().capacity()
    }

    /// Returns `true` if no ban is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `listener` for each ban from now on, while the caller keeps it alive.
    pub fn subscribe<L: ChangeListener + 'static>(&self, listener: &Arc<L>) {
        let listener: Weak<dyn ChangeListener> = Arc::downgrade(listener) as _;
        self.arbiter.table().subscribe(listener);
    }

    /// Drops bans and exemptions that have expired. Until then they only take memory.
    pub fn maintain(&self) {
        self.arbiter.remove_expired(self.clock.now());
    }

    pub(crate) const fn arbiter(&self) -> &Arc<BanArbiter> {
        &self.arbiter
    }

    pub(crate) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}

impl Default for Bans {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Bans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bans").field(self.arbiter.table()).finish()
    }
}

/// The client at `addr`, as `rules` resolve it without a header.
pub(crate) fn resolve(addr: IpAddr, rules: &ClientRules) -> ClientIp {
    let peer = PeerAddr::new((addr, 0).into());
    rules.resolve(peer, &HeaderMap::new())
}
