//! Connections to the server, with TLS where the URL wants it.

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
    Diagnosis, Doctor,
    advice::Advice,
    exchange::{self, NoAnswer},
    reach,
    report::{Finding, Report},
    target::Target,
};

/// How long a TLS handshake may take.
const TLS: Duration = Duration::from_secs(10);

/// Both directions of a connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Where connections are made.
pub(super) struct Door {
    addr: SocketAddr,
    tls: Option<Tls>,
}

/// What TLS needs.
struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Door {
    /// Tries the door; says what TLS says.
    pub(super) async fn find(
        asked: &Doctor,
        addr: SocketAddr,
        report: &mut Report,
    ) -> Option<Self> {
        let target = &asked.url;
        if !target.tls() {
            return Some(Self { addr, tls: None });
        }
        let Some(tls) = Tls::of(target) else {
            let said = format!("{} cannot be the name in a certificate", target.host());
            report.failed(
                "TLS",
                Finding::plain(said, Advice::Name(target.host().to_owned())),
            );
            return None;
        };
        match tls.shake(addr).await {
            Ok(stream) => {
                let (_, session) = stream.get_ref();
                let version = session
                    .protocol_version()
                    .and_then(|version| version.as_str());
                let version = version
                    .unwrap_or("TLS")
                    .replace("TLSv", "TLS ")
                    .replace('_', ".");
                let said = format!(
                    "{version}; the certificate is {}'s and trusted here",
                    target.host()
                );
                report.ok("TLS", said);
                Some(Self {
                    addr,
                    tls: Some(tls),
                })
            }
            Err(error) => {
                let finding = match certificate(&error, target) {
                    Some(finding) => finding,
                    None => Self { addr, tls: None }.not_tls(asked, &error).await,
                };
                report.failed("TLS", finding);
                None
            }
        }
    }

    /// Opens it. The TLS of a server that has shaken hands once is not diagnosed again.
    pub(super) async fn open(&self) -> io::Result<Box<dyn Stream>> {
        match &self.tls {
            Some(tls) => Ok(Box::new(tls.shake(self.addr).await?)),
            None => Ok(Box::new(reach::open(self.addr).await?)),
        }
    }

    /// Whether TLS is spoken where it was not asked for.
    pub(super) async fn speaks_tls(&self, target: &Target) -> bool {
        let Some(tls) = Tls::of(target) else {
            return false;
        };
        match tls.shake(self.addr).await {
            Ok(_) => true,
            Err(error) => certificate(&error, target).is_some(),
        }
    }

    /// What stands on a port that does not shake hands.
    async fn not_tls(&self, asked: &Doctor, error: &io::Error) -> Finding {
        let plain = match self.open().await {
            Ok(mut stream) => exchange::ask(&mut stream, &exchange::page(asked))
                .await
                .map(drop),
            Err(error) => Err(NoAnswer::Broken(error)),
        };
        let target = &asked.url;
        let said = match plain {
            Ok(()) => format!(
                "port {} speaks plain HTTP, and wss:// wants TLS: either the URL should be {}, or TLS \
                 is missing on the server",
                target.port(),
                target.other_scheme()
            ),
            Err(_) => {
                format!("the TLS handshake fails, and plain HTTP is not spoken either: {error}")
            }
        };
        Finding::coded(
            Diagnosis::NoHandshake,
            said,
            Advice::Scheme(target.other_scheme()),
        )
    }
}

// === impl Tls ===

impl Tls {
    /// TLS as this machine trusts it; `None` where the host cannot stand in a certificate.
    fn of(target: &Target) -> Option<Self> {
        let name = ServerName::try_from(target.host().to_owned()).ok()?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // What browsers offer for a WebSocket.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        Some(Self { connector, name })
    }

    async fn shake(&self, addr: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let tcp = reach::open(addr).await?;
        let shaken = timeout(TLS, self.connector.connect(self.name.clone(), tcp)).await;
        shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// What is wrong where the server does speak TLS; `None` where it may not.
fn certificate(error: &io::Error, target: &Target) -> Option<Finding> {
    use CertificateError as Bad;

    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let host = target.host();
    let bad = match error {
        rustls::Error::InvalidCertificate(bad) => bad,
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            let said = "the server speaks HTTP/2 only (ALPN); a WebSocket is opened with HTTP/1.1";
            return Some(Finding::coded(Diagnosis::OnlyHttp2, said, Advice::Http1));
        }
        rustls::Error::AlertReceived(alert) => {
            let said = format!("the server speaks TLS and refuses this handshake: {alert:?}");
            return Some(Finding::plain(said, Advice::Certificate(host.to_owned())));
        }
        _ => return None,
    };
    let said = match bad {
        Bad::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            format!("the certificate has expired, {} ago", span(ago))
        }
        Bad::NotValidYetContext { time, not_before } => {
            let left = not_before.as_secs().saturating_sub(time.as_secs());
            format!(
                "the certificate is valid only in {}: is a clock wrong?",
                span(left)
            )
        }
        Bad::NotValidForNameContext { presented, .. } => {
            let names = if presented.is_empty() {
                "no name at all".to_owned()
            } else {
                presented.join(", ")
            };
            let names = gabion::inspect::Escaped(names.as_bytes()).to_string();
            format!("the certificate is for {names:.200}, and not for {host}")
        }
        Bad::UnknownIssuer => {
            "nobody trusted here has signed the certificate: it is self-signed, an \
                               own authority's, or sent without its intermediate certificates"
                .to_owned()
        }
        Bad::Other(_) if format!("{bad:?}").contains("CaUsedAsEndEntity") => {
            "the certificate is self-signed".to_owned()
        }
        other => format!("the certificate is refused: {other}"),
    };
    Some(Finding::plain(said, Advice::Certificate(host.to_owned())))
}

fn span(secs: u64) -> String {
    match secs / 3600 {
        0 => "less than an hour".to_owned(),
        hours @ 1..48 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    }
}
