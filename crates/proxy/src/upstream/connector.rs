//! Connections to one upstream.

use std::{error::Error, io, path::Path, sync::Arc, time::Duration};

use hyper::rt::{Read, Write};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tower_service::Service;

use super::{Address, Group, HttpVersion, Member, OwnAddresses, UpstreamTls, resolve::Resolver};
use crate::{ForbiddenAddress, tcp::KEEP_ALIVE_PROBES};

type BoxError = Box<dyn Error + Send + Sync>;

/// Connects to one upstream.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    member: Arc<Member>,
    tcp: HttpConnector<Resolver>,
    tls: Option<UpstreamTls>,
    own: OwnAddresses,
    timeout: Duration,
}

/// A byte stream to an upstream. It is dynamic, so that hyper's client is compiled once: with a type for each kind of
/// stream, less of it is inlined, which costs a request more than the indirect calls.
pub(crate) type UpstreamStream = Box<dyn Io>;

/// hyper's traits of a byte stream.
pub(crate) trait Io: Read + Write + Unpin + Send {}

impl<S: Read + Write + Unpin + Send> Io for S {}

/// The reason why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// For example a name that does not resolve.
    #[error(transparent)]
    Failed(BoxError),
    #[error(transparent)]
    Forbidden(ForbiddenAddress),
    /// Nothing listens, as while the upstream starts.
    #[error(transparent)]
    Refused(BoxError),
    #[error(transparent)]
    TimedOut(BoxError),
    #[error(transparent)]
    Tls(BoxError),
}

// === impl Connector ===

impl Connector {
    pub(crate) fn new(group: &Group, member: &Arc<Member>, timeout: Duration) -> Self {
        let resolver = Resolver(Arc::clone(member.resolution()));
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE_PROBES));
        // The scheme of an address only gives its default port.
        tcp.enforce_http(false);
        Self {
            member: Arc::clone(member),
            tcp,
            tls: group.tls().cloned(),
            own: group.options().own.clone(),
            timeout,
        }
    }

    pub(crate) const fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// The time that connecting may take, and the TLS handshake again.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Connects for requests in this HTTP version.
    pub(crate) async fn connect(
        &self,
        version: HttpVersion,
    ) -> Result<UpstreamStream, ConnectError> {
        let upstream = self.member.upstream();
        let uri = match upstream.address() {
            Address::Unix(path) => return self.connect_unix(path).await,
            Address::Tcp(uri) => uri,
        };
        // A connector with a resolver is always ready.
        let connected = self.tcp.clone().call(uri.clone()).await;
        let stream = connected.map_err(|error| ConnectError::classify(error.into()))?;
        self.refuse_own(stream.inner())?;
        if !upstream.uses_tls() {
            return Ok(Box::new(stream));
        }
        let host = uri.host().unwrap_or_default();
        let tls = self.tls.as_ref().ok_or_else(|| {
            ConnectError::Tls("the system has no root certificates to verify it with".into())
        })?;
        let handshake = tls.handshake(version, host, stream.into_inner());
        match timeout(self.timeout, handshake).await {
            Ok(Ok(stream)) => Ok(Box::new(TokioIo::new(stream))),
            Ok(Err(error)) => Err(ConnectError::Tls(error.into())),
            Err(elapsed) => {
                let error = io::Error::new(io::ErrorKind::TimedOut, elapsed);
                Err(ConnectError::TimedOut(error.into()))
            }
        }
    }

    /// The peer is compared, and not the name: a name can resolve to another address at any time.
    fn refuse_own(&self, stream: &TcpStream) -> Result<(), ConnectError> {
        match (stream.local_addr(), stream.peer_addr()) {
            (Ok(local), Ok(peer)) if self.own.is_own(local, peer) => {
                Err(ConnectError::Forbidden(ForbiddenAddress::own(peer.ip())))
            }
            _ => Ok(()),
        }
    }

    /// Links lead to the path by which the socket was bound.
    fn leads_to_own_socket(&self, stream: &UnixStream) -> bool {
        let peer = stream.peer_addr();
        peer.is_ok_and(|peer| {
            peer.as_pathname()
                .is_some_and(|path| self.own.is_own_unix(path))
        })
    }

    async fn connect_unix(&self, path: &Path) -> Result<UpstreamStream, ConnectError> {
        match timeout(self.timeout, UnixStream::connect(path)).await {
            Ok(Ok(stream)) if self.leads_to_own_socket(&stream) => {
                let error = "this process itself listens on the socket";
                Err(ConnectError::Failed(error.into()))
            }
            Ok(Ok(stream)) => Ok(Box::new(TokioIo::new(stream))),
            Ok(Err(error)) => Err(ConnectError::classify(error.into())),
            Err(elapsed) => {
                let error = io::Error::new(io::ErrorKind::TimedOut, elapsed);
                Err(ConnectError::TimedOut(error.into()))
            }
        }
    }
}

// === impl ConnectError ===

impl ConnectError {
    fn classify(error: BoxError) -> Self {
        let first: &(dyn Error + 'static) = &*error;
        let mut sources = std::iter::successors(Some(first), |&error| error.source());
        let (mut forbidden, mut kind) = (None, None);
        for source in &mut sources {
            forbidden = forbidden.or_else(|| source.downcast_ref::<ForbiddenAddress>().copied());
            kind = kind.or_else(|| source.downcast_ref().map(io::Error::kind));
        }
        if let Some(forbidden) = forbidden {
            return Self::Forbidden(forbidden);
        }
        match kind {
            Some(io::ErrorKind::TimedOut) => Self::TimedOut(error),
            // The socket file of a server that has not started does not exist. A name that does not resolve has another
            // kind.
            Some(
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NotFound
                // The queue of a Unix socket is full.
                | io::ErrorKind::WouldBlock,
            ) => Self::Refused(error),
            _ => Self::Failed(error),
        }
    }
}
