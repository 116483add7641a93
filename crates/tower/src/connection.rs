//! Connection data from a request's extensions.

use http::{Extensions, Uri};

use gabion_core::{Framing, PeerAddr, Scheme};

/// The data of a request's connection that is not in the head. Returned by a [`ConnectionSource`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Connection<'r> {
    /// The address of the other end of the connection.
    pub peer: PeerAddr,
    /// The target as the client sent it, if a router in front of the layer has stripped a prefix
    /// from that of the request.
    pub target: Option<&'r Uri>,
    /// Message framing that the headers no longer show.
    pub framing: Framing,
    /// The scheme of the connection.
    pub scheme: Scheme,
    /// `true` if the inner service may extract the [`ClientIp`](gabion_core::ClientIp), so that it
    /// must be inserted into the extensions of the request.
    pub inserts_client: bool,
}

/// Extracts the data of a connection that is not in the head of a request, such as the peer
/// address, from the request's extensions.
///
/// [`ExtensionsSource`] is the default for a hyper server. Set another one with
/// [`GuardLayer::with_connection_source`](crate::GuardLayer::with_connection_source).
///
/// # Examples
///
/// A source for a server that inserts its own type, and a request for which that type is missing:
///
/// ```
/// # use std::{convert::Infallible, net::SocketAddr};
/// # use bytes::Bytes;
/// # use gabion_core::{ClientRules, Facts, Inspect, PeerAddr, RequestState, Verdict};
/// # use http::{Extensions, Request, Response};
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// use gabion_tower::{Connection, ConnectionSource, GuardLayer};
///
/// #[derive(Clone)]
/// struct RemoteAddr(SocketAddr);
///
/// struct RemoteAddrSource;
///
/// impl ConnectionSource for RemoteAddrSource {
///     fn connection<'r>(&self, extensions: &'r Extensions) -> Option<Connection<'r>> {
///         let RemoteAddr(addr) = extensions.get()?;
///         Some(Connection::new(PeerAddr::new(*addr), extensions))
///     }
///
///     fn missing_peer_help(&self) -> &'static str {
///         "no peer address: insert a `RemoteAddr` into the extensions of each request"
///     }
/// }
///
/// # struct PassAll;
/// # impl Inspect for PassAll {
/// #     fn name(&self) -> &'static str {
/// #         "pass"
/// #     }
/// #     fn inspect(&self, _: &Facts<'_>, _: &mut RequestState) -> Verdict {
/// #         Verdict::Pass
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = service_fn(|_: Request<()>| async {
/// #     Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
/// # });
/// let guarded = GuardLayer::new(PassAll, ClientRules::default())
///     .with_connection_source(RemoteAddrSource)
///     .layer(service);
/// let addr = RemoteAddr(([203, 0, 113, 9], 4711).into());
/// let known = Request::get("/").extension(addr).body(())?;
/// assert_eq!(guarded.clone().oneshot(known).await?.status(), 200);
/// let unknown = Request::get("/").body(())?;
/// assert_eq!(guarded.oneshot(unknown).await?.status(), 503);
/// # Ok(())
/// # }
/// ```
pub trait ConnectionSource: Send + Sync {
    /// Returns the data of the connection, or `None` if the address of its other end is unknown. Such
    /// a request is answered with 503. Called once per request.
    fn connection<'r>(&self, extensions: &'r Extensions) -> Option<Connection<'r>>;

    /// Returns a message for the developer of the server about a missing peer address: the cause
    /// and the change to make. It is recorded as an event at most once a minute and, in debug
    /// builds, sent as the body of the response.
    fn missing_peer_help(&self) -> &'static str;
}

/// The default [`ConnectionSource`], for a hyper server whose accept loop inserts a [`PeerAddr`]
/// into the extensions of each request.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no configuration")]
pub struct ExtensionsSource;

// === impl Connection ===

impl<'r> Connection<'r> {
    /// Creates the data of a connection from `peer`, with what is in the extensions of the request:
    /// the `:protocol` that hyper inserts (with feature `websocket`), and the [`Framing`] and
    /// [`Scheme`] that an accept loop inserted. Without them, the headers show the whole framing, and
    /// the connection has no TLS.
    pub fn new(peer: PeerAddr, extensions: &'r Extensions) -> Self {
        Self {
            framing: extensions.get().copied().unwrap_or_default(),
            scheme: extensions.get().copied().unwrap_or_default(),
            ..Self::plain(peer)
        }
    }

    /// Creates the data of a connection without TLS from `peer`, whose headers show the whole framing.
    pub const fn plain(peer: PeerAddr) -> Self {
        Self {
            peer,
            target: None,
            framing: Framing::AsShown,
            scheme: Scheme::Plain,
            inserts_client: false,
        }
    }

    /// Sets the target as the client sent it.
    pub fn with_target(self, target: Option<&'r Uri>) -> Self {
        Self { target, ..self }
    }

    /// Sets whether the client is inserted into the extensions of the request.
    pub fn with_client_inserted(self, inserts_client: bool) -> Self {
        Self {
            inserts_client,
            ..self
        }
    }
}

// === impl ExtensionsSource ===

impl ConnectionSource for ExtensionsSource {
    fn connection<'r>(&self, extensions: &'r Extensions) -> Option<Connection<'r>> {
        let peer = extensions.get().copied()?;
        // Most requests have no other extension.
        Some(match extensions.len() {
            1 => Connection::plain(peer),
            _ => Connection::new(peer, extensions),
        })
    }

    fn missing_peer_help(&self) -> &'static str {
        "no peer address: insert gabion's `PeerAddr` into the extensions of each request, for \
         example in the accept loop"
    }
}
