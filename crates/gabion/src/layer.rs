//! A layer of one concern: what the four of them share.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use gabion_core::{ClientRules, Denial, Facts, Inspect, Mode, Sink, Snapshot, TooWide};
use gabion_inspect::{
    BanConfig, Config as _, ConfigErrors, Context, ListError, Network, NetworkError, Sequence,
    State,
};
use gabion_tower::{Clock, GuardLayer, GuardService, Reply, guard_layer};
use http::Response;
use tower_layer::Layer;

use crate::{bans::Bans, connection::AutoSource, sink};

/// A tower layer of one concern, without a policy document. Used by its aliases
/// [`BanLayer`](crate::BanLayer), [`DenyLayer`](crate::DenyLayer), [`LimitLayer`](crate::LimitLayer) and
/// [`ScanLayer`](crate::ScanLayer), which have constructors and rules of their own.
///
/// It enforces, and sends events to `tracing` (feature `tracing`, on by default), unless set otherwise. The
/// peer address is found by [`AutoSource`](crate::client::AutoSource). Loopback, private and trusted-proxy
/// addresses are denied like any other, but never limited, scored or banned: see the
/// [guide](crate::guide::single_layers) for how to try a layer with curl.
///
/// Stacked around one service, layers share one resolution of client and path while peer, method and target
/// stay the same; each reads the headers again. Set [`Self::trusted_proxies`] on the outermost layer.
///
/// Clones, and the services made from them, share all state.
///
/// # Examples
///
/// ```
/// # use std::{convert::Infallible, net::SocketAddr};
/// # use bytes::Bytes;
/// # use http_body_util::Full;
/// # use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use gabion::{BanLayer, DenyLayer, LimitLayer, PeerAddr, ScanLayer, ban::Bans};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bans = Bans::new();
/// let service = ServiceBuilder::new()
///     .layer(BanLayer::new(&bans).networks(["198.51.100.0/24"])?)
///     .layer(DenyLayer::new().extensions(["php"]).names([".env", ".git"])?)
///     .layer(LimitLayer::per_client("50/s".parse()?).burst(2_000))
///     .layer(ScanLayer::new(&bans))
///     .service(service_fn(|_: Request<()>| async {
///         Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
///     }));
///
/// let get = |path: &str, client: [u8; 4]| {
///     let peer = PeerAddr::new(SocketAddr::from((client, 4711)));
///     Request::get(path).header("host", "localhost").extension(peer).body(())
/// };
/// let status = async |request| service.clone().oneshot(request).await.unwrap().status();
/// assert_eq!(status(get("/", [203, 0, 113, 9])?).await, 200);
/// assert_eq!(status(get("/", [198, 51, 100, 9])?).await, 403);
/// assert_eq!(status(get("/%2egit/HEAD", [203, 0, 113, 9])?).await, 403);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SingleLayer<R> {
    pub(crate) rules: R,
    mode: Mode,
    clients: Option<ClientRules>,
    sink: Option<Arc<dyn Sink>>,
    reply: Option<Arc<dyn Reply>>,
    clock: Option<Arc<dyn Clock>>,
    inserts_client: bool,
    built: Arc<OnceLock<GuardLayer>>,
}

/// An invalid setting of a [`SingleLayer`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// An entry that is not a network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A ban list that cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// A trusted network that holds the whole address space.
    #[error(transparent)]
    TooWide(#[from] TooWide),
    /// Rules that cannot be compiled.
    #[error(transparent)]
    Rules(#[from] ConfigErrors),
}

/// The rules of one concern, compiled when the layer is built.
pub trait Rules: Clone {
    /// Compiles the rules in `mode`.
    fn compile(&self, mode: Mode) -> Result<Compiled, ConfigErrors>;
}

/// Compiled [`Rules`].
#[expect(
    missing_debug_implementations,
    reason = "it cannot be named outside of this crate"
)]
pub struct Compiled {
    pub(crate) inspector: Arc<dyn Inspect>,
    /// Set if the rules place bans.
    pub(crate) bans: Option<Bans>,
}

struct SharedReply(Arc<dyn Reply>);

// === impl SingleLayer ===

impl<R> SingleLayer<R> {
    pub(crate) fn from_rules(rules: R) -> Self {
        Self {
            rules,
            mode: Mode::Enforce,
            clients: None,
            sink: None,
            reply: None,
            clock: None,
            inserts_client: false,
            built: Arc::default(),
        }
    }

    /// Sets whether the layer denies, or only reports what it would have denied. The default is
    /// [`Mode::Enforce`].
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }.changed()
    }

    /// Trusts peers and hops in `networks` to name the client before them in `X-Forwarded-For`.
    ///
    /// # Errors
    ///
    /// An entry that is not a network, or that holds the whole address space.
    pub fn trusted_proxies<N: AsRef<str>>(
        self,
        networks: impl IntoIterator<Item = N>,
    ) -> Result<Self, LayerError> {
        let networks = parse_networks(networks)?.into_iter().map(Network::net);
        let clients = self.clients.clone().unwrap_or_default();
        Ok(self.clients(clients.with_trusted(networks)?))
    }

    /// Sets the rules by which clients are resolved. They apply even if an outer layer has resolved the
    /// client by others.
    pub fn clients(self, clients: ClientRules) -> Self {
        let clients = Some(clients);
        Self { clients, ..self }.changed()
    }

    /// Sends events to `sink` instead of `tracing`.
    pub fn sink(self, sink: Arc<dyn Sink>) -> Self {
        let sink = Some(sink);
        Self { sink, ..self }.changed()
    }

    /// Sets the [`Reply`] that turns denials into responses.
    pub fn reply(self, reply: impl Reply + 'static) -> Self {
        let reply: Option<Arc<dyn Reply>> = Some(Arc::new(reply));
        Self { reply, ..self }.changed()
    }

    /// Sets the [`Clock`]. Layers with bans use the clock of their [`Bans`] by default.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        let clock = Some(clock);
        Self { clock, ..self }.changed()
    }

    /// Inserts the [`ClientIp`](crate::ClientIp) into the extensions of requests that pass. Done without this
    /// for requests from an axum server (feature `axum`).
    pub fn insert_client_extension(self) -> Self {
        let inserts_client = true;
        Self {
            inserts_client,
            ..self
        }
        .changed()
    }

    /// Changes the rules.
    pub(crate) fn with_rules(self, change: impl FnOnce(R) -> R) -> Self {
        let rules = change(self.rules);
        Self { rules, ..self }.changed()
    }

    /// A layer that shares nothing with those made before its latest change.
    fn changed(self) -> Self {
        let built = Arc::default();
        Self { built, ..self }
    }
}

impl<R: Rules> SingleLayer<R> {
    /// Compiles the rules and returns the layer, whose type names no rules.
    ///
    /// # Errors
    ///
    /// Rules that cannot be compiled, for which [`Layer::layer`] panics.
    pub fn build(&self) -> Result<GuardLayer, LayerError> {
        if let Some(built) = self.built.get() {
            return Ok(built.clone());
        }
        let compiled = self.rules.compile(self.mode)?;
        let clients = self.clients.clone().unwrap_or_default();
        let snapshot = Snapshot::new(clients, compiled.inspector);
        let mut layer = guard_layer(Arc::new(snapshot))
            .with_connection_source(AutoSource)
            .with_shared_resolution(self.clients.is_some());
        if let Some(sink) = self.sink.clone().or_else(sink::shared) {
            layer = layer.with_sink(sink);
        }
        if let Some(reply) = self.reply.clone() {
            layer = layer.with_reply(SharedReply(reply));
        }
        if let Some(bans) = &compiled.bans {
            layer = layer
                .with_bans(bans.arbiter().clone())
                .with_clock(bans.clock().clone());
        }
        if let Some(clock) = self.clock.clone() {
            layer = layer.with_clock(clock);
        }
        if self.inserts_client {
            layer = layer.insert_client_extension();
        }
        Ok(self.built.get_or_init(|| layer).clone())
    }

    /// Returns the layer if its rules compile.
    pub(crate) fn checked(self) -> Result<Self, LayerError> {
        self.build().map(|_| self)
    }
}

/// # Panics
///
/// [`Layer::layer`] panics if the rules cannot be compiled. Use [`SingleLayer::build`] to get the error.
impl<S, R: Rules> Layer<S> for SingleLayer<R> {
    type Service = GuardService<S>;

    #[expect(
        clippy::panic,
        reason = "documented, as in tower-http: the server has not started yet"
    )]
    fn layer(&self, inner: S) -> GuardService<S> {
        match self.build() {
            Ok(layer) => layer.layer(inner),
            Err(error) => panic!("invalid rules of a layer: {error}"),
        }
    }
}

impl<R: fmt::Debug> fmt::Debug for SingleLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleLayer")
            .field("rules", &self.rules)
            .field("mode", &self.mode)
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}

/// Parses networks in CIDR form, and single addresses.
pub(crate) fn parse_networks<N: AsRef<str>>(
    networks: impl IntoIterator<Item = N>,
) -> Result<Vec<Network>, NetworkError> {
    let parsed = networks.into_iter().map(|text| text.as_ref().parse());
    parsed.collect()
}

/// A context without tables, but for the bans of `bans`.
pub(crate) fn context(mode: Mode, bans: Option<&Bans>) -> Context {
    let state = State::scratch();
    let state = match bans {
        Some(bans) => state.with_arbiter(bans.arbiter().clone()),
        None => state,
    };
    Context::new(&state).with_mode(mode)
}

/// Refuses clients under a timed ban, then judges with `inspector`.
///
/// A layer that places bans refuses the clients that it has banned, also without a
/// [`BanLayer`](crate::BanLayer) around it, and counts responses toward the standing of clients.
pub(crate) fn with_bans(
    bans: &Bans,
    mode: Mode,
    inspector: impl Inspect + 'static,
) -> Result<Arc<dyn Inspect>, ConfigErrors> {
    let ban = BanConfig::default().compile(&context(mode, Some(bans)))?;
    let mut sequence = Sequence::new(inspector.name());
    sequence.add(Arc::new(ban), Mode::Enforce);
    sequence.add(Arc::new(inspector), Mode::Enforce);
    Ok(Arc::new(sequence))
}

// === impl SharedReply ===

impl Reply for SharedReply {
    fn reply(&self, denial: &Denial, facts: &Facts<'_>) -> Response<bytes::Bytes> {
        self.0.reply(denial, facts)
    }
}
