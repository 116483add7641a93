//! TLS: certificates, and the handshake of accepted connections.

mod certificates;
mod files;
mod socket;
mod table;

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring},
};

use crate::prefixed::PrefixedSocket;
pub use certificates::{Certificates, PreparedCertificates, Reloaded};
#[cfg(feature = "acme")]
pub(crate) use files::PemContent;
pub use files::{CertificateError, CertificateFiles};
pub(crate) use socket::TlsSocket;

/// The TLS settings of a listener: [`Certificates`], and a deadline for the handshake.
///
/// It supports TLS 1.3 and TLS 1.2 with the cipher suites of rustls. Of HTTP/2 and HTTP/1.1, it selects the first that
/// the client offers by ALPN (RFC 7301), HTTP/2 before HTTP/1.1. Sessions are resumed by tickets, whose keys live as
/// long as the process and rotate every six hours.
///
/// # Examples
///
/// The example of [`Certificates`] serves one.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    handshake_timeout: Duration,
}

/// The protocols that can be selected by ALPN, the preferred one first.
const PROTOCOLS: [&[u8]; 3] = [b"h2", b"http/1.1", CHALLENGE];

/// The protocol of an ACME challenge, which ends with the handshake (RFC 8737, 4).
const CHALLENGE: &[u8] = b"acme-tls/1";

// === impl Tls ===

impl Tls {
    /// Creates the settings of a listener that serves `certificates`, and later versions of them.
    ///
    /// # Errors
    ///
    /// Fails if the system has no random numbers.
    pub fn new(certificates: Arc<Certificates>) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(io::Error::other)?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(certificates);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        config.ticketer = ring::Ticketer::new().map_err(io::Error::other)?;
        Ok(Self {
            acceptor: Arc::new(config).into(),
            handshake_timeout: Duration::from_secs(10),
        })
    }

    /// Sets the time for the handshake: 10 s by default. Beyond it the connection is closed.
    pub fn with_handshake_timeout(self, handshake_timeout: Duration) -> Self {
        Self {
            handshake_timeout,
            ..self
        }
    }

    /// Selects HTTP/1.1 only, for a server that [`Self::accept_stream`] connects.
    pub fn with_http1_only(self) -> Self {
        let mut config = ServerConfig::clone(self.acceptor.config());
        config.alpn_protocols = vec![PROTOCOLS[1].to_vec()];
        Self {
            acceptor: Arc::new(config).into(),
            ..self
        }
    }

    /// Completes the handshake of a connection that another server than that of this crate serves.
    ///
    /// # Errors
    ///
    /// A failed handshake. The caller limits its time.
    pub async fn accept_stream(
        &self,
        socket: TcpStream,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>> {
        self.acceptor.accept(socket).await
    }

    pub(crate) const fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    /// Completes a handshake, and returns `true` with the socket if HTTP/2 was selected.
    pub(crate) async fn accept(
        &self,
        socket: PrefixedSocket<TcpStream>,
    ) -> io::Result<(TlsSocket, bool)> {
        let mut stream = self.acceptor.accept(socket).await?;
        let protocol = stream.get_ref().1.alpn_protocol();
        if protocol == Some(CHALLENGE) {
            stream.shutdown().await?;
            return Err(io::Error::other("it was an ACME challenge"));
        }
        let is_http2 = protocol == Some(PROTOCOLS[0]);
        Ok((TlsSocket::new(stream), is_http2))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}
