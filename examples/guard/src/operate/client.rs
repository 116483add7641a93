//! The client of the admin API.

use std::{error::Error, io, path::PathBuf, sync::Arc, time::Duration};

use gabion_admin::{ErrorBody, Stream};
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    net::{TcpStream, UnixStream},
    runtime,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use super::{EndpointArgs, text::escaped};
use crate::admin::read_token;

/// Sends requests to a running guard, each over a connection of its own.
pub(super) struct Client {
    place: Place,
    token: Option<String>,
}

enum Place {
    Unix(PathBuf),
    Tcp { uri: Uri, tls: Option<TlsConnector> },
}

/// The time for a request: longer than a guard takes to compile a policy or to sync its store.
const TIME: Duration = Duration::from_mins(1);

/// The most bytes of a response: a million bans.
const MAX_RESPONSE: usize = 512 * 1024 * 1024;

type BoxError = Box<dyn Error>;

// === impl Client ===

impl Client {
    pub(super) fn new(args: &EndpointArgs) -> Result<Self, BoxError> {
        let Some(url) = &args.admin else {
            return Ok(Self {
                place: Place::Unix(args.socket()),
                token: None,
            });
        };
        let invalid = || {
            format!(
                "`{}` is not a URL such as http://127.0.0.1:9443 or https://guard.example:9443",
                escaped(url)
            )
        };
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        let has_path = !matches!(uri.path(), "" | "/") || uri.query().is_some();
        let tls = match uri.scheme_str() {
            _ if has_path || uri.host().is_none() => return Err(invalid().into()),
            Some("http") => None,
            Some("https") => Some(tls(args)?),
            _ => return Err(invalid().into()),
        };
        let token = read_token(args.admin_token_file.as_deref())?;
        let token = token.ok_or(
            "--admin needs the token of the guard: add --admin-token-file FILE, or set GUARD_ADMIN_TOKEN",
        )?;
        let host = uri.host().unwrap_or_default();
        let literal = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let addr = literal.unwrap_or(host).parse::<std::net::IpAddr>();
        let is_loopback = host == "localhost" || addr.is_ok_and(|addr| addr.is_loopback());
        if tls.is_none() && !is_loopback {
            return Err(format!("{url} would send the token unencrypted: use https://").into());
        }
        Ok(Self {
            place: Place::Tcp { uri, tls },
            token: Some(token),
        })
    }

    /// Returns `true` if the guard runs on this machine, and reads files as this command does.
    pub(super) const fn is_local(&self) -> bool {
        matches!(self.place, Place::Unix(_))
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, BoxError> {
        parse(&self.send(Method::GET, path, None)?)
    }

    pub(super) fn get_text(&self, path: &str) -> Result<String, BoxError> {
        Ok(String::from_utf8(
            self.send(Method::GET, path, None)?.into(),
        )?)
    }

    pub(super) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, BoxError> {
        parse(&self.send(Method::DELETE, path, None)?)
    }

    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, BoxError> {
        let body = ("application/json", serde_json::to_vec(body)?);
        parse(&self.send(Method::POST, path, Some(body))?)
    }

    pub(super) fn post_lines<T: DeserializeOwned>(
        &self,
        path: &str,
        lines: Vec<u8>,
    ) -> Result<T, BoxError> {
        let body = ("application/jsonl", lines);
        parse(&self.send(Method::POST, path, Some(body))?)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Bytes, BoxError> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::HOST, self.host());
        if let Some(token) = &self.token {
            let bearer = format!("Bearer {token}");
            request = request.header(header::AUTHORIZATION, bearer);
        }
        if let Some((content_type, _)) = &body {
            request = request.header(header::CONTENT_TYPE, *content_type);
        }
        let body = body.map(|(_, body)| body).unwrap_or_default();
        let request = request.body(Full::<Bytes>::from(body))?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let exchange = runtime.block_on(async { timeout(TIME, self.exchange(request)).await });
        let (status, body) = exchange.map_err(|_| {
            let (place, secs) = (self.shown(), TIME.as_secs());
            format!("the guard at {place} did not answer within {secs} s")
        })??;
        if status.is_success() {
            return Ok(body);
        }
        Err(message(status, &body).into())
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), BoxError> {
        let stream = self.connect().await?;
        let failed = |error: hyper::Error| {
            format!(
                "the guard at {} closed the connection: {error}",
                self.shown()
            )
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_RESPONSE)
            .collect()
            .await;
        driver.abort();
        let body =
            body.map_err(|error| format!("the response of the guard was cut off: {error}"))?;
        Ok((status, body.to_bytes()))
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, BoxError> {
        match &self.place {
            Place::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(self.connect_error(&error).into()),
            },
            Place::Tcp { uri, tls } => {
                let host = uri.host().unwrap_or_default();
                let literal = host
                    .strip_prefix('[')
                    .and_then(|host| host.strip_suffix(']'));
                let host = literal.unwrap_or(host);
                let default = if tls.is_some() { 443 } else { 80 };
                let addr = (host, uri.port_u16().unwrap_or(default));
                let stream = TcpStream::connect(addr).await;
                let stream = stream.map_err(|error| self.connect_error(&error))?;
                let Some(tls) = tls else {
                    return Ok(Box::new(stream));
                };
                let name = ServerName::try_from(host.to_owned())?;
                match tls.connect(name, stream).await {
                    Ok(stream) => Ok(Box::new(stream)),
                    Err(error) => Err(format!(
                        "the TLS handshake with {} failed: {error}; --admin-ca FILE names a private authority",
                        self.shown()
                    )
                    .into()),
                }
            }
        }
    }

    fn connect_error(&self, error: &io::Error) -> String {
        let place = self.shown();
        match (error.kind(), &self.place) {
            (io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused, Place::Unix(path)) => {
                let state = path.parent().unwrap_or(path).display();
                format!(
                    "no guard listens on {place}: is it running with --state {state}? (another folder: --state DIR)"
                )
            }
            (io::ErrorKind::ConnectionRefused, Place::Tcp { .. }) => {
                format!("no guard listens on {place}: is it running with --admin?")
            }
            (io::ErrorKind::PermissionDenied, _) => {
                format!("cannot connect to {place}: only root and the user of the guard may")
            }
            _ => format!("cannot connect to {place}: {error}"),
        }
    }

    fn host(&self) -> &str {
        match &self.place {
            Place::Unix(_) => "localhost",
            Place::Tcp { uri, .. } => uri.authority().map_or("", |authority| authority.as_str()),
        }
    }

    fn shown(&self) -> String {
        match &self.place {
            Place::Unix(path) => path.display().to_string(),
            Place::Tcp { uri, .. } => uri.to_string(),
        }
    }
}

fn tls(args: &EndpointArgs) -> Result<TlsConnector, BoxError> {
    let mut roots = RootCertStore::empty();
    match &args.admin_ca {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let shown = path.display();
            let certificates = CertificateDer::pem_file_iter(path);
            let certificates =
                certificates.map_err(|error| format!("cannot read {shown}: {error}"))?;
            for certificate in certificates {
                let error = |error: &dyn std::fmt::Display| format!("{shown}: {error}");
                let certificate = certificate.map_err(|found| error(&found))?;
                roots.add(certificate).map_err(|found| error(&found))?;
            }
        }
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, BoxError> {
    let parsed = serde_json::from_slice(body);
    Ok(parsed.map_err(|error| format!("the guard is of another version: {error}"))?)
}

fn message(status: StatusCode, body: &[u8]) -> String {
    let Ok(ErrorBody {
        error, field, line, ..
    }) = serde_json::from_slice(body)
    else {
        return format!("the guard answered {status}");
    };
    let error = escaped(&error);
    match (line, field) {
        (Some(line), Some(field)) => format!("line {line}, {}: {error}", escaped(&field)),
        (Some(line), None) => format!("line {line}: {error}"),
        (None, _) => error,
    }
}
