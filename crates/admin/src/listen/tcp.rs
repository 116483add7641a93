//! The TCP address.

use std::{fmt, io, net, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};
use tracing::warn;

use super::{
    ListenError,
    connection::{self, Connections},
};
use crate::{Token, access::TcpAccess, caller::Peer};

/// A TCP address: on loopback, or with TLS. Callers need the token in both cases, since each process of the machine can
/// connect to loopback.
#[derive(Debug)]
pub struct TcpListener {
    socket: net::TcpListener,
    addr: SocketAddr,
    token: Token,
    hosts: Vec<String>,
    tls: Option<TlsLayer>,
}

/// The TLS of a [`TcpListener`], so that this crate needs no TLS library.
pub trait Tls: Send + Sync {
    /// Completes the handshake of a connection, for HTTP/1.1. The listener ends it after 10 seconds.
    fn accept(&self, socket: TcpStream) -> TlsFuture;
}

/// The future of [`Tls::accept`].
pub type TlsFuture = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// A stream of bytes.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

#[derive(Clone)]
struct TlsLayer(Arc<dyn Tls>);

/// A [`TcpListener`] without the checks of its callers.
pub(super) struct Acceptor {
    socket: net::TcpListener,
    tls: Option<TlsLayer>,
}

const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

// === impl TcpListener ===

impl TcpListener {
    /// Listens on a loopback address, or with `tls` on any.
    ///
    /// # Errors
    ///
    /// Another address without `tls`, or an address that the system refuses.
    pub fn bind(
        addr: SocketAddr,
        token: Token,
        tls: Option<Arc<dyn Tls>>,
    ) -> Result<Self, ListenError> {
        check_exposure(addr, tls.is_some())?;
        let socket = net::TcpListener::bind(addr).map_err(|source| ListenError::Io {
            at: addr.to_string(),
            source,
        })?;
        Self::from_socket(socket, token, tls)
    }

    /// Listens with a socket of another process or of systemd.
    ///
    /// # Errors
    ///
    /// As [`Self::bind`].
    pub fn from_socket(
        socket: net::TcpListener,
        token: Token,
        tls: Option<Arc<dyn Tls>>,
    ) -> Result<Self, ListenError> {
        let local_addr = || -> io::Result<_> {
            socket.set_nonblocking(true)?;
            socket.local_addr()
        };
        let addr = local_addr().map_err(|source| ListenError::Io {
            at: "the admin address".to_owned(),
            source,
        })?;
        check_exposure(addr, tls.is_some())?;
        Ok(Self {
            socket,
            addr,
            token,
            hosts: Vec::new(),
            tls: tls.map(TlsLayer),
        })
    }

    /// Adds a DNS name at which callers reach the API. Addresses and `localhost` need none.
    pub fn add_host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// The address, with the port that the system chose for port 0.
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The socket, for a process that takes over from this one.
    pub const fn socket(&self) -> &net::TcpListener {
        &self.socket
    }

    pub(super) fn split(self) -> (Acceptor, TcpAccess) {
        let acceptor = Acceptor {
            socket: self.socket,
            tls: self.tls,
        };
        (acceptor, TcpAccess::new(self.token, self.hosts))
    }
}

fn check_exposure(addr: SocketAddr, has_tls: bool) -> Result<(), ListenError> {
    if has_tls || addr.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(ListenError::NeedsTls { addr })
}

// === impl Acceptor ===

impl Acceptor {
    pub(super) async fn serve(self, router: Router) {
        let socket = match tokio::net::TcpListener::from_std(self.socket) {
            Ok(socket) => socket,
            Err(error) => {
                warn!("the admin address is not served: {error}");
                return;
            }
        };
        let connections = Connections::new();
        loop {
            let permit = connections.room().await;
            match socket.accept().await {
                Ok((stream, from)) => {
                    let (router, tls) = (router.clone(), self.tls.clone());
                    tokio::spawn(async move {
                        serve_connection(stream, from, tls, router).await;
                        drop(permit);
                    });
                }
                // The process has no free descriptor.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsLayer>,
    router: Router,
) {
    let peer = Peer::Tcp(from.ip().to_canonical());
    let Some(TlsLayer(tls)) = tls else {
        return connection::serve(stream, peer, router).await;
    };
    if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
        connection::serve(stream, peer, router).await;
    }
}

// === impl TlsLayer ===

impl fmt::Debug for TlsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsLayer")
    }
}
