//! Stands in for TLS in a build without the feature `tls`.

use std::{convert::Infallible, future::Ready, io};

use tokio::net::TcpStream;

use super::HttpVersion;

/// The certificates that upstreams are verified with. There is no value of it without the feature `tls`.
#[derive(Clone, Debug)]
pub struct UpstreamTls(Infallible);

/// The error of each use of TLS without the feature `tls`.
#[derive(Debug, thiserror::Error)]
#[error("this program was built without the feature `tls`")]
pub struct UpstreamTlsError(());

// === impl UpstreamTls ===

impl UpstreamTls {
    /// Fails: this program was built without the feature `tls`.
    ///
    /// # Errors
    ///
    /// Always.
    pub const fn with_system_roots() -> Result<Self, UpstreamTlsError> {
        Err(UpstreamTlsError(()))
    }

    /// Fails: this program was built without the feature `tls`.
    ///
    /// # Errors
    ///
    /// Always.
    pub const fn with_ca(_pem: &[u8]) -> Result<Self, UpstreamTlsError> {
        Err(UpstreamTlsError(()))
    }

    pub(super) const fn has_same_roots(&self, _other: &Self) -> bool {
        match self.0 {}
    }

    pub(super) const fn handshake(
        &self,
        _version: HttpVersion,
        _host: &str,
        _stream: TcpStream,
    ) -> Ready<io::Result<TcpStream>> {
        match self.0 {}
    }
}
