//! Scanner detection: the [`ScanLayer`].

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use gabion_core::Mode;
use gabion_inspect::{Config as _, ConfigErrors, Context, Period, State};

use crate::{
    bans::Bans,
    layer::{Compiled, LayerError, Rules, SingleLayer, with_bans},
};

pub use gabion_inspect::{Scan, ScanConfig, Scores, Signals};

/// Scores clients by what they request and how the service answers, and bans those that behave like scanners.
///
/// It refuses clients that are banned, also without a [`BanLayer`](crate::BanLayer) around it. Loopback, private
/// and trusted-proxy addresses are never scored.
///
/// # Examples
///
/// ```
/// # use std::{convert::Infallible, net::SocketAddr};
/// # use bytes::Bytes;
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// use gabion::{PeerAddr, ScanLayer, ban::Bans};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bans = Bans::new();
/// let service = ScanLayer::new(&bans).layer(service_fn(|_: Request<()>| async {
///     let mut response = Response::new(Full::<Bytes>::default());
///     *response.status_mut() = http::StatusCode::NOT_FOUND;
///     Ok::<_, Infallible>(response)
/// }));
/// let get = async |path: &str, client: [u8; 4]| {
///     let peer = PeerAddr::new(SocketAddr::from((client, 4711)));
///     let request = Request::get(path).header("host", "localhost").extension(peer);
///     service.clone().oneshot(request.body(()).unwrap()).await.unwrap().status()
/// };
/// let probes = ["/phpinfo.php", "/c99.php", "/HNAP1", "/boaform/admin", "/.aws/credentials"];
/// for path in probes {
///     get(path, [203, 0, 113, 9]).await;
/// }
/// assert_eq!(get("/", [203, 0, 113, 9]).await, 403);
/// assert_eq!(get("/", [203, 0, 113, 10]).await, 404);
/// assert_eq!(bans.len(), 1);
/// # Ok(())
/// # }
/// ```
pub type ScanLayer = SingleLayer<ScanRules>;

/// The rules of a [`ScanLayer`].
#[derive(Clone, Debug)]
pub struct ScanRules {
    bans: Bans,
    config: ScanConfig,
    scores: Arc<Scores>,
}

impl ScanLayer {
    /// The number of clients whose scores are kept.
    pub const CLIENTS: usize = 200_000;

    /// Creates a layer that bans in `bans`.
    pub fn new(bans: &Bans) -> Self {
        Self::from_rules(ScanRules {
            bans: bans.clone(),
            config: ScanConfig::default(),
            scores: Arc::new(Scores::new(Self::CLIENTS)),
        })
    }

    /// Sets the score at which a client is banned. The default is 100.
    pub fn ban_at(self, score: NonZeroU32) -> Self {
        self.with_config(|config| config.ban_at = score)
    }

    /// Sets the length of a ban. The default is [`Context::BAN_FOR`], 10 minutes.
    pub fn ban_for(self, duration: Duration) -> Self {
        self.with_config(|config| config.ban_for = Some(Period(duration)))
    }

    /// Sets the time in which a score halves. The default is 10 minutes.
    pub fn half_life(self, half_life: Duration) -> Self {
        self.with_config(|config| config.half_life = Period(half_life))
    }

    /// Sets the weight of a signal; zero turns it off.
    ///
    /// # Errors
    ///
    /// A name that no signal has.
    pub fn weight(self, signal: impl Into<String>, weight: u16) -> Result<Self, LayerError> {
        let weigh = |config: &mut ScanConfig| {
            config.weights.insert(signal.into(), weight);
        };
        self.with_config(weigh).checked()
    }

    /// The scores of clients.
    pub const fn scores(&self) -> &Arc<Scores> {
        &self.rules.scores
    }

    fn with_config(self, change: impl FnOnce(&mut ScanConfig)) -> Self {
        self.with_rules(|mut rules| {
            change(&mut rules.config);
            rules
        })
    }
}

impl Rules for ScanRules {
    fn compile(&self, mode: Mode) -> Result<Compiled, ConfigErrors> {
        let state = State::scratch().with_scores(Arc::clone(&self.scores));
        let scan = self.config.compile(&Context::new(&state).with_mode(mode))?;
        Ok(Compiled {
            inspector: with_bans(&self.bans, mode, scan)?,
            bans: Some(self.bans.clone()),
        })
    }
}
