//! Connections to the server, with TLS for `wss://`.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, AlertDescription, CertificateError, ClientConfig, RootCertStore,
        pki_types::ServerName,
    },
};

use super::{
    Diagnosis, DoctorArgs,
    advice::Advice,
    exchange::{self, ResponseError},
    report::{Finding, Report},
    target::Target,
    tcp,
};

/// The timeout of a TLS handshake, TCP connection included.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection, with or without TLS.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for S {}

/// Opens connections to one address.
pub(super) struct Connector {
    addr: SocketAddr,
    tls: Option<TlsClient>,
}

/// A TLS client for one server name.
struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
}

// === impl Connector ===

impl Connector {
    /// Creates a connector. For `wss://` it does a TLS handshake first and reports the result;
    /// returns `None` if that fails.
    pub(super) async fn check_tls(
        args: &DoctorArgs,
        addr: SocketAddr,
        report: &mut Report,
    ) -> Option<Self> {
        let target = &args.url;
        if !target.tls() {
            return Some(Self { addr, tls: None });
        }
        let Some(tls) = TlsClient::new(target) else {
            let message = format!("{} is not a valid name in a certificate", target.host());
            report.failed(
                "TLS",
                Finding::new(message, Advice::Name(target.host().to_owned())),
            );
            return None;
        };
        match tls.connect(addr).await {
            Ok(stream) => {
                let (_, session) = stream.get_ref();
                let version = session
                    .protocol_version()
                    .and_then(|version| version.as_str());
                let version = version
                    .unwrap_or("TLS")
                    .replace("TLSv", "TLS ")
                    .replace('_', ".");
                let host = target.host();
                report.ok(
                    "TLS",
                    format_args!("{version}; the certificate for {host} is trusted"),
                );
                Some(Self {
                    addr,
                    tls: Some(tls),
                })
            }
            Err(error) => {
                let finding = if let Some(finding) = certificate_finding(&error, target) {
                    finding
                } else {
                    let without_tls = Self { addr, tls: None };
                    without_tls.not_tls_finding(args, &error).await
                };
                report.failed("TLS", finding);
                None
            }
        }
    }

    /// Opens a connection. TLS errors are not diagnosed again: [`Self::check_tls`] has succeeded.
    pub(super) async fn connect(&self) -> io::Result<Box<dyn Transport>> {
        match &self.tls {
            Some(tls) => Ok(Box::new(tls.connect(self.addr).await?)),
            None => Ok(Box::new(tcp::connect(self.addr).await?)),
        }
    }

    /// Returns `true` if the server accepts TLS, for a URL without it.
    pub(super) async fn accepts_tls(&self, target: &Target) -> bool {
        let Some(tls) = TlsClient::new(target) else {
            return false;
        };
        match tls.connect(self.addr).await {
            Ok(_) => true,
            Err(error) => certificate_finding(&error, target).is_some(),
        }
    }

    /// Describes a server that did not complete a TLS handshake: does the port accept plain HTTP?
    async fn not_tls_finding(&self, args: &DoctorArgs, error: &io::Error) -> Finding {
        let plain = match self.connect().await {
            Ok(mut stream) => exchange::send(&mut stream, &exchange::plain_get(args))
                .await
                .map(drop),
            Err(error) => Err(ResponseError::Broken(error)),
        };
        let target = &args.url;
        let message = match plain {
            Ok(()) => format!(
                "port {} accepts plain HTTP, and wss:// requires TLS: change the URL to {}, or enable \
                 TLS on the server",
                target.port(),
                target.other_scheme()
            ),
            Err(_) => {
                format!(
                    "the TLS handshake failed, and the port does not accept plain HTTP: {error}"
                )
            }
        };
        Finding::with_code(
            Diagnosis::NoHandshake,
            message,
            Advice::Scheme(target.other_scheme()),
        )
    }
}

// === impl TlsClient ===

impl TlsClient {
    /// Creates a client that trusts the certificate authorities of this machine. Returns `None` if
    /// the host is not a valid server name.
    fn new(target: &Target) -> Option<Self> {
        let name = ServerName::try_from(target.host().to_owned()).ok()?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Browsers offer only this for a WebSocket.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        Some(Self { connector, name })
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let tcp = tcp::connect(addr).await?;
        let handshake = self.connector.connect(self.name.clone(), tcp);
        timeout(TLS_TIMEOUT, handshake)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Describes a TLS error that only a TLS server causes; returns `None` for other errors.
fn certificate_finding(error: &io::Error, target: &Target) -> Option<Finding> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let host = target.host();
    let message = match error {
        rustls::Error::InvalidCertificate(error) => certificate_message(error, host),
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            let message = "the server accepts only HTTP/2 (ALPN); a WebSocket needs HTTP/1.1";
            return Some(Finding::with_code(
                Diagnosis::OnlyHttp2,
                message,
                Advice::Http1,
            ));
        }
        rustls::Error::AlertReceived(alert) => {
            format!("the server rejected the TLS handshake: {alert:?}")
        }
        _ => return None,
    };
    Some(Finding::new(message, Advice::Certificate(host.to_owned())))
}

fn certificate_message(error: &CertificateError, host: &str) -> String {
    use CertificateError as Kind;

    match error {
        Kind::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            format!("the certificate expired {} ago", duration(ago))
        }
        Kind::NotValidYetContext { time, not_before } => {
            let left = not_before.as_secs().saturating_sub(time.as_secs());
            format!(
                "the certificate becomes valid in {}: check the clocks of both machines",
                duration(left)
            )
        }
        Kind::NotValidForNameContext { presented, .. } => {
            let names = if presented.is_empty() {
                "no name".to_owned()
            } else {
                presented.join(", ")
            };
            let names = gabion::inspect::Escaped(names.as_bytes()).to_string();
            format!("the certificate is for {names:.200}, not for {host}")
        }
        Kind::UnknownIssuer => "the issuer of the certificate is not trusted on this machine: the \
                                certificate is self-signed, from a private authority, or sent \
                                without its intermediate certificates"
            .to_owned(),
        Kind::Other(_) if format!("{error:?}").contains("CaUsedAsEndEntity") => {
            "the certificate is self-signed".to_owned()
        }
        other => format!("the certificate is invalid: {other}"),
    }
}

/// Formats seconds in hours or days.
fn duration(secs: u64) -> String {
    match secs / 3600 {
        0 => "less than an hour".to_owned(),
        hours @ 1..48 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    }
}
