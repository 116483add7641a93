//! TLS to upstreams.

use std::{fmt, io, sync::Arc};

use gabion_core::stable_hash;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{
            CertificateDer, ServerName,
            pem::{self, PemObject},
        },
        version::{TLS12, TLS13},
    },
};

use super::HttpVersion;

/// The certificates that upstreams are verified with: the chain and the name of each. There is no setting that
/// turns verification off.
///
/// ```
/// use gabion_proxy::{UpstreamTls, UpstreamTlsError};
///
/// let error = UpstreamTls::with_ca(b"no certificate").unwrap_err();
/// assert!(matches!(error, UpstreamTlsError::NoCertificate));
/// ```
#[derive(Clone)]
pub struct UpstreamTls {
    /// The hash of the certificates.
    roots: u64,
    http1: TlsConnector,
    http2: TlsConnector,
}

/// An error in the certificates of [`UpstreamTls`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamTlsError {
    /// A certificate is invalid.
    #[error("a CA certificate is invalid: {0}")]
    Certificate(io::Error),
    /// The text has no certificate.
    #[error("the CA file has no certificate: expected a `BEGIN CERTIFICATE` section (PEM)")]
    NoCertificate,
    /// The system has no root certificates.
    #[error(
        "the system has no root certificates to verify the upstream with: install `ca-certificates`, or give a CA \
         file"
    )]
    NoSystemRoots,
}

// === impl UpstreamTls ===

impl UpstreamTls {
    /// Verifies with the root certificates of the system. Reads them from disk.
    ///
    /// # Errors
    ///
    /// Fails if the system has none that is valid.
    pub fn with_system_roots() -> Result<Self, UpstreamTlsError> {
        let mut roots = RootCertStore::empty();
        let certificates = rustls_native_certs::load_native_certs().certs;
        let hash = hash_of(certificates.iter().map(AsRef::as_ref));
        roots.add_parsable_certificates(certificates);
        if roots.is_empty() {
            return Err(UpstreamTlsError::NoSystemRoots);
        }
        Self::with_roots(roots, hash)
    }

    /// Verifies with these root certificates only, in PEM format.
    ///
    /// # Errors
    ///
    /// Fails if one is invalid, or if there is none.
    pub fn with_ca(pem: &[u8]) -> Result<Self, UpstreamTlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let invalid =
                |error: pem::Error| UpstreamTlsError::Certificate(io::Error::other(error));
            let added = roots.add(certificate.map_err(invalid)?);
            added.map_err(|error| UpstreamTlsError::Certificate(io::Error::other(error)))?;
        }
        if roots.is_empty() {
            return Err(UpstreamTlsError::NoCertificate);
        }
        Self::with_roots(roots, hash_of([pem]))
    }

    fn with_roots(roots: RootCertStore, hash: u64) -> Result<Self, UpstreamTlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error: rustls::Error| {
                UpstreamTlsError::Certificate(io::Error::other(error))
            })?;
        let mut http1 = builder.with_root_certificates(roots).with_no_client_auth();
        let mut http2 = http1.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            roots: hash,
            http1: Arc::new(http1).into(),
            http2: Arc::new(http2).into(),
        })
    }

    pub(super) const fn has_same_roots(&self, other: &Self) -> bool {
        self.roots == other.roots
    }

    /// Performs the handshake for requests in this HTTP version. A server without ALPN gets HTTP/1.1 only.
    pub(super) async fn handshake(
        &self,
        version: HttpVersion,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let connector = match version {
            HttpVersion::Http1 => &self.http1,
            HttpVersion::Http2 => &self.http2,
        };
        let stream = connector.connect(name.to_owned(), stream).await?;
        let selected = stream.get_ref().1.alpn_protocol();
        if version == HttpVersion::Http2 && selected != Some(b"h2") {
            return Err(io::Error::other(
                "the server does not select `h2` by ALPN: write `https://` instead of `h2://` for HTTP/1.1",
            ));
        }
        Ok(stream)
    }
}

/// Tells the files of an operator apart, who gains nothing by a collision.
fn hash_of<'c>(certificates: impl IntoIterator<Item = &'c [u8]>) -> u64 {
    let mut all = Vec::new();
    for certificate in certificates {
        all.extend_from_slice(&certificate.len().to_le_bytes());
        all.extend_from_slice(certificate);
    }
    stable_hash(&all)
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls").finish_non_exhaustive()
    }
}
