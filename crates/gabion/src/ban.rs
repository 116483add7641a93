//! Bans: the [`BanLayer`], the [`Bans`] that layers share, and ban lists.

use std::sync::Arc;

use gabion_core::Mode;
use gabion_inspect::{Config as _, ConfigErrors};

use crate::layer::{Compiled, LayerError, Rules, SingleLayer, context, parse_networks};

pub use crate::bans::Bans;
#[cfg(feature = "policy")]
pub use crate::guard::Imported;
pub use gabion_core::{
    AllowRecord, Attribution, BanChange, BanEvent, BanOutcome, BanRecord, BanSnapshot, BanSource,
    BanUpdate, ChangeListener, Offense, OffenseHistory, OffenseRecorder, Placement, UpdateOrigin,
};
pub use gabion_inspect::{
    ActiveAllow, ActiveBan, AddressShare, AddressShareError, AllowTable, BanArbiter, BanConfig,
    BanFile, BanFiles, BanSettings, BanTable, CrawlerConfig, CrawlerFinding, CrawlerLookup,
    CustomCrawler, KnownCrawler, List, ListEffect, ListError, ListProblem, ListRejection,
    NeighborsConfig, Network, NetworkError, OnListError,
};

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
            let name = BanFile::from(list.name().to_string());
            rules.config.files = names.chain([name]).collect();
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
