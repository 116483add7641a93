//! Bans: the [`BanLayer`], the [`Bans`] that layers share, and ban lists.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use gabion_core::{ClientRules, Mode, PeerAddr, RuleId};
use gabion_inspect::{Config as _, ConfigErrors};
use gabion_tower::{Clock, SystemClock};
use http::HeaderMap;
use ipnet::IpNet;

use crate::{
    client::ClientIp,
    layer::{Compiled, LayerError, Rules, SingleLayer, context, parse_networks},
};

pub use gabion_core::{
    Attribution, BanChange, BanEvent, BanOutcome, ChangeListener, Offense, OffenseRecorder,
};
pub use gabion_inspect::{
    ActiveBan, AddressShare, AddressShareError, BanArbiter, BanConfig, BanTable, List, ListError,
    ListProblem, ListRejection, Network, NetworkError,
};

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
/// assert_eq!(outcome, BanOutcome::Banned { evicted: None });
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

/// Refuses clients whose address is on a list, or that are banned, with 403.
///
/// # Examples
///
/// ```
/// # use std::{convert::Infallible, net::SocketAddr, time::Duration};
/// # use bytes::Bytes;
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// use gabion::{BanLayer, PeerAddr, ban::Bans};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bans = Bans::new();
/// let layer = BanLayer::new(&bans).networks(["198.51.100.0/24"])?;
/// let service = layer.layer(service_fn(|_: Request<()>| async {
///     Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
/// }));
/// let status = async |client: [u8; 4]| {
///     let peer = PeerAddr::new(SocketAddr::from((client, 4711)));
///     let request = Request::get("/").extension(peer).body(()).unwrap();
///     service.clone().oneshot(request).await.unwrap().status()
/// };
/// assert_eq!(status([198, 51, 100, 7]).await, 403);
/// assert_eq!(status([203, 0, 113, 9]).await, 200);
/// bans.ban("203.0.113.9".parse()?, Duration::from_secs(60), "too many forms");
/// assert_eq!(status([203, 0, 113, 9]).await, 403);
/// # Ok(())
/// # }
/// ```
pub type BanLayer = SingleLayer<BanRules>;

/// The rules of a [`BanLayer`].
#[derive(Clone, Debug)]
pub struct BanRules {
    bans: Bans,
    config: BanConfig,
    lists: Vec<List>,
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
    /// An IPv6 address is banned with its /64. Loopback and private addresses are not banned
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
        if let Some(why) = client.exempt() {
            return BanOutcome::Withheld(why);
        }
        let offense = Offense::certain(Self::OPERATOR, duration).with_reason(reason);
        let now = self.clock.now();
        self.arbiter.table().record_offense(client, &offense, now)
    }

    /// Lifts every ban that covers `client`. Returns `true` if there was one.
    ///
    /// # Cost
    ///
    /// Copies the table of bans.
    pub fn unban(&self, client: IpAddr) -> bool {
        let (table, client) = (self.arbiter.table(), client.to_canonical());
        let bans = table.list(self.clock.now()).into_iter();
        let covering = bans.filter(|(network, _)| network.contains(&client));
        covering.fold(false, |lifted, (network, _)| table.unban(network) || lifted)
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

    /// The number of bans held, expired ones included until [`Self::maintain`] drops them.
    pub fn len(&self) -> usize {
        self.arbiter.table().len()
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

    /// Drops bans that have expired. Until then they only take memory.
    pub fn maintain(&self) {
        self.arbiter.table().remove_expired(self.clock.now());
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

// === impl BanLayer ===

impl BanLayer {
    /// Creates a layer that refuses clients banned in `bans`, and counts answers toward the standing of
    /// clients.
    pub fn new(bans: &Bans) -> Self {
        Self::from_rules(BanRules {
            bans: bans.clone(),
            config: BanConfig::default(),
            lists: Vec::new(),
        })
    }

    /// Sets the networks that are always refused: CIDR, or single addresses.
    ///
    /// # Errors
    ///
    /// An entry that is not a network, or that is the whole address space.
    pub fn networks<N: AsRef<str>>(
        self,
        networks: impl IntoIterator<Item = N>,
    ) -> Result<Self, LayerError> {
        let networks = parse_networks(networks)?;
        self.with_rules(|mut rules| {
            rules.config.networks = networks;
            rules
        })
        .checked()
    }

    /// Adds a [`List`] of networks that are always refused.
    ///
    /// # Errors
    ///
    /// More networks than one set holds, ten million.
    pub fn list(self, list: List) -> Result<Self, LayerError> {
        self.with_rules(|mut rules| {
            let names = rules.config.files.iter().cloned();
            rules.config.files = names.chain([list.name().to_string()]).collect();
            rules.lists.push(list);
            rules
        })
        .checked()
    }
}

impl Rules for BanRules {
    fn compile(&self, mode: Mode) -> Result<Compiled, ConfigErrors> {
        let context = context(mode, Some(&self.bans)).with_lists(self.lists.clone());
        Ok(Compiled {
            inspector: Arc::new(self.config.compile(&context)?),
            bans: Some(self.bans.clone()),
        })
    }
}
