//! Rate limits: the [`LimitLayer`].

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use gabion_core::Mode;
use gabion_inspect::{Config as _, ConfigErrors, Context, Period, State};

use crate::{
    bans::Bans,
    layer::{Compiled, LayerError, Rules, SingleLayer, with_bans},
};

pub use gabion_core::{LimitCount, LimitCounts, Quota, RemoteCheck, RemoteLimits};
pub use gabion_inspect::{
    Limit, LimitAction, LimitActionError, LimitRule, LimitSharing, LimitTable, Rate, RateError,
};

/// Limits the rate of requests with GCRA, and answers 429 with `Retry-After` beyond it.
///
/// The layer has a [`LimitTable`] of its own, shared by its clones. Loopback, private and trusted-proxy
/// addresses are never limited.
///
/// # Examples
///
/// ```
/// # use std::{convert::Infallible, net::SocketAddr};
/// # use bytes::Bytes;
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// use gabion::{LimitLayer, PeerAddr};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = LimitLayer::per_client("1/m".parse()?).burst(2);
/// let service = layer.layer(service_fn(|_: Request<()>| async {
///     Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
/// }));
/// let status = async |client: [u8; 4]| {
///     let peer = PeerAddr::new(SocketAddr::from((client, 4711)));
///     let request = Request::get("/").extension(peer).body(()).unwrap();
///     service.clone().oneshot(request).await.unwrap().status()
/// };
/// assert_eq!(status([203, 0, 113, 9]).await, 200);
/// assert_eq!(status([203, 0, 113, 9]).await, 200);
/// assert_eq!(status([203, 0, 113, 9]).await, 429);
/// assert_eq!(status([203, 0, 113, 10]).await, 200);
/// // Loopback is exempt, so a first try with curl shows nothing.
/// assert_eq!(status([127, 0, 0, 1]).await, 200);
/// assert_eq!(status([127, 0, 0, 1]).await, 200);
/// assert_eq!(status([127, 0, 0, 1]).await, 200);
/// # Ok(())
/// # }
/// ```
pub type LimitLayer = SingleLayer<LimitRules>;

/// The rules of a [`LimitLayer`].
#[derive(Clone, Debug)]
pub struct LimitRules {
    rule: LimitRule,
    table: Arc<LimitTable>,
    bans: Option<Bans>,
}

impl LimitLayer {
    /// Creates a layer with one bucket of `rate` for each client, and a burst of as many requests as the rate
    /// counts. Its rule is called `limit`.
    pub fn per_client(rate: Rate) -> Self {
        Self::from_rules(LimitRules {
            rule: LimitRule::new("limit", rate),
            table: Arc::new(LimitTable::new(LimitTable::CAPACITY)),
            bans: None,
        })
    }

    /// Creates a layer with a single bucket of `rate` for all clients together.
    pub fn global(rate: Rate) -> Self {
        Self::per_client(rate).with_rule(|rule| rule.key(["global"]))
    }

    /// Sets the name of the rule in events and `RateLimit` headers. Give each of several layers its own.
    ///
    /// # Errors
    ///
    /// A name of other characters than letters, digits and `-_./`.
    pub fn id(self, id: impl Into<String>) -> Result<Self, LayerError> {
        self.with_rule(|mut rule| {
            rule.id = id.into();
            rule
        })
        .checked()
    }

    /// Sets the number of requests that a full bucket holds, at most 1,000,000.
    ///
    /// # Panics
    ///
    /// Panics if `burst` is zero or above 1,000,000.
    #[track_caller]
    #[expect(clippy::panic, reason = "documented: a constant of the program")]
    pub fn burst(self, burst: u32) -> Self {
        let Some(burst) = NonZeroU32::new(burst).filter(|burst| burst.get() <= 1_000_000) else {
            panic!("the burst of a limit must be 1 to 1,000,000, not {burst}");
        };
        self.with_rule(|rule| rule.burst(burst))
    }

    /// Counts by these keys together: `"client"`, `"prefix"`, `"header:NAME"`, `"cookie:NAME"`, `"path"`,
    /// `"path:2"`, `"host"` or `"global"`.
    ///
    /// # Errors
    ///
    /// An entry that is not a key.
    pub fn key<S: Into<String>>(
        self,
        parts: impl IntoIterator<Item = S>,
    ) -> Result<Self, LayerError> {
        self.with_rule(|rule| rule.key(parts)).checked()
    }

    /// Counts only requests for these paths and everything below them.
    ///
    /// # Errors
    ///
    /// An entry that is not a plain path.
    pub fn paths<S: Into<String>>(
        self,
        paths: impl IntoIterator<Item = S>,
    ) -> Result<Self, LayerError> {
        self.with_rule(|rule| rule.paths(paths)).checked()
    }

    /// Shows clients what is left, in `RateLimit` and `RateLimit-Policy`
    /// (draft-ietf-httpapi-ratelimit-headers-10).
    pub fn show(self) -> Self {
        self.with_rule(LimitRule::show)
    }

    /// Also bans a client in `bans` for `duration` once the requests that are held against it alone exceed
    /// the rate ([`LimitAction`]), and refuses clients banned in `bans`. Without this, the layer has no bans.
    ///
    /// # Errors
    ///
    /// A layer that counts by another key than `"client"`.
    pub fn ban(self, bans: &Bans, duration: Duration) -> Result<Self, LayerError> {
        self.with_rules(|rules| LimitRules {
            rule: rules.rule.then(LimitAction::Ban(Some(Period(duration)))),
            bans: Some(bans.clone()),
            ..rules
        })
        .checked()
    }

    /// Sets the number of buckets, 32 bytes each. The default is [`LimitTable::CAPACITY`].
    pub fn capacity(self, capacity: usize) -> Self {
        self.with_rules(|rules| LimitRules {
            table: Arc::new(LimitTable::new(capacity)),
            ..rules
        })
    }

    fn with_rule(self, change: impl FnOnce(LimitRule) -> LimitRule) -> Self {
        self.with_rules(|rules| LimitRules {
            rule: change(rules.rule),
            ..rules
        })
    }
}

impl Rules for LimitRules {
    fn compile(&self, mode: Mode) -> Result<Compiled, ConfigErrors> {
        let rule = self.rule.clone().mode(mode);
        let state = State::scratch().with_limits(Arc::clone(&self.table));
        let limit = [rule].compile(&Context::new(&state))?;
        Ok(Compiled {
            inspector: match &self.bans {
                Some(bans) => with_bans(bans, mode, limit)?,
                None => Arc::new(limit),
            },
            bans: self.bans.clone(),
        })
    }
}
