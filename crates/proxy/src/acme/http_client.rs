//! The connection to the ACME server.

use std::{
    error::Error as StdError,
    io,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{HOST, RETRY_AFTER},
    uri::Scheme,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use super::{AcmeError, wall_clock};

/// The time for one exchange.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of a response. A certificate chain has a few thousand.
const MAX_RESPONSE: usize = 256 * 1024;

/// An HTTP client with one connection per request: an order takes about ten.
#[derive(Clone)]
pub(super) struct AcmeHttpClient {
    connector: TlsConnector,
    /// The time until which the server asked to wait, if its latest response was a refusal.
    waits_until: Arc<Mutex<Option<SystemTime>>>,
}

type BoxError = Box<dyn StdError + Send + Sync>;

// === impl AcmeHttpClient ===

impl AcmeHttpClient {
    /// Creates a client that trusts the authority in this PEM file, or those of the system.
    pub(super) fn new(authority: Option<&Path>) -> Result<Self, AcmeError> {
        let mut roots = RootCertStore::empty();
        let no_roots = |reason: String| AcmeError::Roots { reason };
        if let Some(file) = authority {
            let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
            let in_file = |error: &dyn ToString| {
                no_roots(format!("`{}`: {}", file.display(), error.to_string()))
            };
            let certificates: Vec<_> = certificates.map_err(|error| in_file(&error))?;
            for certificate in certificates {
                roots.add(certificate).map_err(|error| in_file(&error))?;
            }
        } else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if roots.is_empty() {
            return Err(no_roots("install the package `ca-certificates`".to_owned()));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| no_roots(error.to_string()))?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self {
            connector: Arc::new(config).into(),
            waits_until: Arc::default(),
        })
    }

    /// Returns the time until which the server asked to wait.
    pub(super) fn waits_until(&self) -> Option<SystemTime> {
        *self
            .waits_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(
        self,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Result<BytesResponse, BoxError> {
        let uri = request.uri().clone();
        let host = uri.host().filter(|_| uri.scheme() == Some(&Scheme::HTTPS));
        let host = host.ok_or_else(|| format!("`{uri}` is not an https:// URL"))?;
        let host = host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
        let name = ServerName::try_from(host.to_owned())?;
        let stream = self.connector.connect(name, stream).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        if let Some(authority) = uri.authority() {
            let authority = HeaderValue::from_str(authority.as_str())?;
            request.headers_mut().insert(HOST, authority);
        }
        if let Some(target) = uri.path_and_query() {
            *request.uri_mut() = Uri::from(target.clone());
        }
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_RESPONSE).collect().await?.to_bytes();
        connection.abort();
        let response = Response::from_parts(head, Full::new(body));
        self.note_wait(&response);
        Ok(response.into())
    }

    /// Notes the time of `Retry-After` of a refusal (RFC 8555, 6.6).
    fn note_wait<B>(&self, response: &Response<B>) {
        let refuses = matches!(
            response.status(),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        let value = response.headers().get(RETRY_AFTER).filter(|_| refuses);
        let secs = value.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let until = secs.and_then(|secs| wall_clock().checked_add(Duration::from_secs(secs)));
        *self
            .waits_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl HttpClient for AcmeHttpClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let exchanged = timeout(TIMEOUT, client.exchange(request)).await;
            let exchanged =
                exchanged.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
            exchanged.map_err(Error::Other)
        })
    }
}
