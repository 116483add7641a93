//! A proxy that serves TLS, and clients that shake hands with it.

mod certificates;
mod connection;
pub(crate) mod handshake;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use gabion_proxy::{CertificateFiles, Certificates, ServeOptions, Tls};
use gabion_testkit::{LoopbackServer, TempFolder};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt as _, copy_bidirectional},
    net::TcpStream,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::support::Setup;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HTTP2: &[&str] = &["h2", "http/1.1"];
const HTTP1: &[&str] = &["http/1.1"];
const SHORT: Duration = Duration::from_millis(300);

/// A certificate authority, and the folder with the files of its certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempFolder,
}

impl Authority {
    pub(crate) fn new(test: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self {
            issuer,
            folder: TempFolder::new(test),
        }
    }

    /// A new certificate for `names` and its key, in PEM form.
    pub(crate) fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes a new certificate for `names` to the files of this `label`.
    pub(crate) fn write(&self, label: &str, names: &[&str]) -> CertificateFiles {
        let (chain, key) = self.issue(names);
        let chain = self.folder.replace(&format!("{label}.pem"), &chain);
        let key = self.folder.replace(&format!("{label}.key"), &key);
        CertificateFiles::new(chain, key)
    }

    /// The file with its own certificate.
    #[cfg_attr(not(feature = "acme"), expect(dead_code, reason = "for tests of ACME"))]
    pub(crate) fn file(&self) -> String {
        self.folder.replace("authority.pem", &self.issuer.pem())
    }

    /// A listener's settings with one certificate for `localhost`.
    pub(crate) fn tls(&self) -> Tls {
        let certificates = Certificates::load([self.write("localhost", &["localhost"])]).unwrap();
        Tls::new(Arc::new(certificates)).unwrap()
    }

    /// The side of a TLS server with a certificate for `localhost`.
    #[cfg_attr(not(feature = "acme"), expect(dead_code, reason = "for tests of ACME"))]
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let (chain, key) = self.issue(&["localhost"]);
        let chain = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        Arc::new(config.with_single_cert(vec![chain], key).unwrap()).into()
    }

    /// Options of a proxy that serves TLS.
    fn setup(&self) -> Setup {
        self.with(ServeOptions::default())
    }

    fn with(&self, serve: ServeOptions) -> Setup {
        Setup {
            serve: serve.with_tls(self.tls()),
            ..Setup::default()
        }
    }

    /// A client that trusts this authority and offers these protocols.
    pub(crate) fn client(&self, protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Arc::new(config).into()
    }

    /// Shakes hands with `addr`, asking for `name`.
    pub(crate) async fn connect(
        &self,
        addr: SocketAddr,
        name: &str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(addr).await?;
        let name = name.to_owned().try_into().unwrap();
        self.client(protocols).connect(name, stream).await
    }

    /// A server that passes plain bytes to `addr` over TLS, so that clients of plain sockets can be used.
    pub(crate) async fn relay(&self, addr: SocketAddr, protocols: &[&str]) -> LoopbackServer {
        let client = self.client(protocols);
        LoopbackServer::start(move |mut plain| {
            let client = client.clone();
            async move {
                let stream = TcpStream::connect(addr).await.unwrap();
                let name = "localhost".try_into().unwrap();
                let mut tls = client.connect(name, stream).await.unwrap();
                let _ = copy_bidirectional(&mut plain, &mut tls).await;
            }
        })
        .await
    }
}

/// The number of bytes until the end of the connection.
async fn read_to_end(stream: &mut TcpStream) -> usize {
    let mut bytes = Vec::new();
    // After a reset, those that arrived count.
    let _ = stream.read_to_end(&mut bytes).await;
    bytes.len()
}
