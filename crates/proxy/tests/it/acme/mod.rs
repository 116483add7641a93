//! Certificates from a real ACME server.

mod mock_server;
mod obtaining;
mod sharing;

use std::{net::SocketAddr, num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use gabion_proxy::{
    Acme, AcmeChallenge, AcmeOptions, CertificateFiles, Certificates, ChallengeLayer, Listener,
    Proxy, ProxyOptions, ServeOptions, TermsOfService, Tls, Workers, workers_on,
};
use gabion_testkit::{CheckedPorts, Pebble, TempFolder, program};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::ring,
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};
use tower_layer::Layer as _;

use crate::tls::Authority;

const POLL: Duration = Duration::from_millis(50);
const HOUR: u64 = 3600;

/// A server with a port for plain HTTP and one for TLS.
struct Server {
    certificates: Arc<Certificates>,
    plain: Listener,
    secure: Listener,
}

/// A running [`Server`], which obtains certificates. Dropping it ends both.
struct Running {
    _acme: Acme,
    secure: SocketAddr,
    workers: Option<Workers>,
}

/// An ACME server that checks the ports of a [`Server`].
struct TestAuthority {
    pebble: Pebble,
    own: Authority,
    state: TempFolder,
}

// === impl Server ===

impl Server {
    fn bind() -> Self {
        Self::with_files([])
    }

    fn with_files(files: impl IntoIterator<Item = CertificateFiles>) -> Self {
        let certificates = Arc::new(Certificates::load(files).unwrap());
        let tls = Tls::new(Arc::clone(&certificates)).unwrap();
        let addr = "127.0.0.1:0".parse().unwrap();
        Self {
            plain: Listener::bind(addr, ServeOptions::default()).unwrap(),
            secure: Listener::bind(addr, ServeOptions::default().with_tls(tls)).unwrap(),
            certificates,
        }
    }

    fn ports(&self) -> CheckedPorts {
        CheckedPorts {
            http: self.plain.local_addr().port(),
            tls: self.secure.local_addr().port(),
        }
    }

    fn start(self, options: &AcmeOptions) -> Running {
        let acme = Acme::start(options, &self.certificates).unwrap();
        let secure = self.secure.local_addr();
        let layer = ChallengeLayer::new(acme.challenges());
        let workers = workers_on(
            NonZeroUsize::MIN,
            vec![self.plain, self.secure],
            move |tunnels| {
                let upstream: gabion_proxy::Upstream = "http://127.0.0.1:1".parse().unwrap();
                layer.layer(Proxy::new(
                    upstream,
                    &ProxyOptions::default(),
                    tunnels.clone(),
                ))
            },
        );
        Running {
            _acme: acme,
            secure,
            workers: Some(workers.unwrap()),
        }
    }
}

// === impl Running ===

impl Running {
    /// The certificate for `name`; `None` if the handshake fails.
    async fn certificate(&self, name: &str) -> Option<CertificateDer<'static>> {
        presented(self.secure, name).await
    }

    /// Waits until the certificate for `name` is another one than `previous`.
    async fn next_certificate(
        &self,
        name: &str,
        previous: Option<&CertificateDer<'static>>,
    ) -> CertificateDer<'static> {
        let attempts = 600;
        for _ in 0..attempts {
            if let Some(certificate) = self.certificate(name).await
                && Some(&certificate) != previous
            {
                return certificate;
            }
            tokio::time::sleep(POLL).await;
        }
        panic!("no new certificate for {name}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.shutdown(Duration::ZERO);
        }
    }
}

// === impl TestAuthority ===

impl TestAuthority {
    /// Starts pebble; `None` if it is not installed.
    async fn start(test: &str, ports: CheckedPorts, validity: u64) -> Option<Self> {
        let programs = (program("pebble")?, program("pebble-challtestsrv")?);
        let own = Authority::new(test);
        let files = own.write("pebble", &["localhost"]);
        let shown = |path: &Path| path.display().to_string();
        let files = (shown(files.chain()), shown(files.key()));
        let pebble = Pebble::start(
            (&programs.0, &programs.1),
            (&files.0, &files.1),
            ports,
            validity,
        );
        Some(Self {
            pebble: pebble.await,
            own,
            state: TempFolder::new(test),
        })
    }

    fn options(&self, name: &str, challenges: &[AcmeChallenge]) -> AcmeOptions {
        let options = AcmeOptions::new(self.state.path(), [name], TermsOfService::Agreed);
        let options = options.unwrap().with_directory(self.pebble.directory());
        let options = options
            .with_authority(self.own.file())
            .with_email("ops@a.example");
        options
            .with_challenges(challenges.iter().copied())
            .with_poll_interval(POLL)
    }
}

/// Accepts every certificate: pebble's authority is new each time.
#[derive(Debug)]
struct AcceptAll;

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, cert, dss, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// The certificate that `addr` presents for `name`.
async fn presented(addr: SocketAddr, name: &str) -> Option<CertificateDer<'static>> {
    let config = ClientConfig::builder().dangerous();
    let config = config.with_custom_certificate_verifier(Arc::new(AcceptAll));
    let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    let stream = TcpStream::connect(addr).await.unwrap();
    let name = name.to_owned().try_into().unwrap();
    let stream = connector.connect(name, stream).await.ok()?;
    let certificates = stream.get_ref().1.peer_certificates()?;
    Some(certificates[0].clone().into_owned())
}
