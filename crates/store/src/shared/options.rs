//! Options of shared bans.

use std::fmt;

use redis::IntoConnectionInfo as _;
#[cfg(feature = "redis-tls")]
use redis::{Client, TlsCertificates};
#[cfg(feature = "redis-tls")]
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::SharedError;

/// The server, the key prefix and the limits of [`SharedBans`](super::SharedBans).
///
/// The `Debug` form contains no password.
///
/// # Examples
///
/// ```
/// use gabion_store::SharedOptions;
///
/// let options = SharedOptions::new("redis://:secret@redis.example:6379/1").unwrap();
/// assert!(!format!("{options:?}").contains("secret"));
/// let error = SharedOptions::new("http://:secret@redis.example").unwrap_err();
/// assert!(!error.to_string().contains("secret"));
/// ```
#[derive(Clone)]
pub struct SharedOptions {
    pub(super) server: redis::ConnectionInfo,
    /// The address without credentials, for texts.
    pub(super) address: String,
    pub(super) prefix: String,
    pub(super) queue: usize,
    pub(super) stream_length: usize,
}

// === impl SharedOptions ===

impl SharedOptions {
    /// Creates the default options for the server at `url`: `redis://[user][:password@]host[:port][/db]`,
    /// or `redis+unix:///path/of/socket`. With the feature `redis-tls`, also `rediss://`.
    ///
    /// # Errors
    ///
    /// Rejects a URL that is none of these. The error does not contain it, since it may contain a password.
    pub fn new(url: &str) -> Result<Self, SharedError> {
        let server = url.into_connection_info().map_err(|error| {
            SharedError::Url(error.detail().unwrap_or("not a URL of Redis").to_owned())
        })?;
        Ok(Self {
            address: server.addr().to_string(),
            server,
            prefix: "gabion".to_owned(),
            queue: 65_536,
            stream_length: 100_000,
        })
    }

    /// Verifies the certificate of the server with the authorities in `pem`, in place of those of the system.
    ///
    /// # Errors
    ///
    /// Rejects a text without a certificate, one with an invalid certificate, and a URL other than `rediss://`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gabion_store::SharedOptions;
    ///
    /// let options = SharedOptions::new("rediss://redis.example:6379").unwrap();
    /// let error = options.with_ca(b"not PEM").unwrap_err();
    /// assert!(error.to_string().contains("no certificate"));
    /// ```
    #[cfg(feature = "redis-tls")]
    pub fn with_ca(self, pem: &[u8]) -> Result<Self, SharedError> {
        if CertificateDer::pem_slice_iter(pem).next().is_none() {
            return Err(SharedError::Ca("no certificate in PEM".to_owned()));
        }
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: Some(pem.to_vec()),
        };
        let client = Client::build_with_tls(self.server.clone(), certificates)
            .map_err(|error| SharedError::Ca(error.to_string()))?;
        let server = client.get_connection_info().clone();
        Ok(Self { server, ..self })
    }

    /// Sets the prefix of the keys: `gabion` by default. Instances with the same prefix share their bans.
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Sets the number of changes that wait for Redis: 65,536 by default. If there are more, all bans are
    /// compared with Redis later.
    pub fn with_queue(mut self, changes: usize) -> Self {
        self.queue = changes.max(1);
        self
    }

    /// Sets the approximate number of changes in the stream: 100,000 by default, about 30 MB. An instance
    /// that misses more of them loads all bans again.
    pub fn with_stream_length(mut self, changes: usize) -> Self {
        self.stream_length = changes.max(1);
        self
    }
}

impl fmt::Debug for SharedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedOptions")
            .field("address", &self.address)
            .field("prefix", &self.prefix)
            .field("queue", &self.queue)
            .field("stream_length", &self.stream_length)
            .finish_non_exhaustive()
    }
}
