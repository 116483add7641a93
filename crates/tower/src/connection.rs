//! Connection data from a request's extensions.

use http::{Extensions, Uri};

use gabion_core::{Framing, PeerAddr, Scheme};

use crate::protocol;

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
/// use gabion_tower::{ConnectionSource, GuardLayer};
///
/// #[derive(Clone)]
/// struct RemoteAddr(SocketAddr);
///
/// struct RemoteAddrSource;
///
/// impl ConnectionSource for RemoteAddrSource {
///     fn peer(&self, extensions: &Extensions) -> Option<PeerAddr> {
///         extensions.get().map(|RemoteAddr(addr)| PeerAddr::new(*addr))
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
    /// Returns the address of the other end of the connection. A request without one is answered
    /// with 503.
    fn peer(&self, extensions: &Extensions) -> Option<PeerAddr>;

    /// Returns a message for the developer of the server about a missing peer address: the cause
    /// and the change to make. It is recorded as an event at most once a minute and, in debug
    /// builds, sent as the body of the response.
    fn missing_peer_help(&self) -> &'static str;

    /// Returns `true` if the inner service may extract the [`ClientIp`](gabion_core::ClientIp), so
    /// that it must be inserted into the extensions of the request. The default is `false`.
    fn inserts_client(&self, extensions: &Extensions) -> bool {
        let _ = extensions;
        false
    }

    /// Returns the target as the client sent it, if a router in front of the layer has stripped a
    /// prefix from `uri`. The default is `uri`.
    fn target<'r>(&self, extensions: &'r Extensions, uri: &'r Uri) -> &'r Uri {
        let _ = extensions;
        uri
    }

    /// Returns the `:protocol` of an extended CONNECT (RFC 8441). The default reads the extension
    /// that hyper inserts; without feature `websocket` it returns `None`.
    fn protocol<'r>(&self, extensions: &'r Extensions) -> Option<&'r str> {
        protocol::protocol(extensions)
    }

    /// Returns the message framing as far as the headers do not show it. The default reads the
    /// [`Framing`] that an accept loop inserted, and otherwise assumes that the headers show all of
    /// it.
    fn framing(&self, extensions: &Extensions) -> Framing {
        extensions.get().copied().unwrap_or_default()
    }

    /// Returns the scheme of the connection. The default reads the [`Scheme`] that an accept loop
    /// inserted, and otherwise assumes a connection without TLS.
    fn scheme(&self, extensions: &Extensions) -> Scheme {
        extensions.get().copied().unwrap_or_default()
    }
}

/// The default [`ConnectionSource`], for a hyper server whose accept loop inserts a [`PeerAddr`]
/// into the extensions of each request.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no configuration")]
pub struct ExtensionsSource;

impl ConnectionSource for ExtensionsSource {
    fn peer(&self, extensions: &Extensions) -> Option<PeerAddr> {
        extensions.get().copied()
    }

    fn missing_peer_help(&self) -> &'static str {
        "no peer address: insert gabion's `PeerAddr` into the extensions of each request, for \
         example in the accept loop"
    }
}
