use gabion_testkit::TempFolder;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::CertificateDer},
};

use crate::support::Guard;

use super::{
    examine, examine_trusting,
    mock_server::{Behavior, MockResponse, MockServer, response},
};

/// A certificate authority that the doctor can be set to trust.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    _folder: TempFolder,
    file: String,
}

impl Authority {
    fn new(test: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let folder = TempFolder::new(test);
        let file = folder.replace("authority.pem", &issuer.pem());
        Self {
            issuer,
            _folder: folder,
            file,
        }
    }

    /// Returns a TLS configuration with a certificate for `name`, changed by `adjust`.
    fn tls(&self, name: &str, adjust: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        config(certificate.der().clone(), &key)
    }
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
    let builder = ServerConfig::builder().with_no_client_auth();
    let key = key.serialize_der().try_into().unwrap();
    builder.with_single_cert(vec![certificate], key).unwrap()
}

async fn echo(config: ServerConfig) -> MockServer {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    MockServer::with_tls(Some(acceptor), |request| request.upgrade(Behavior::Echo)).await
}

#[tokio::test]
async fn valid_certificate_is_accepted_and_an_invalid_one_is_explained() {
    let authority = Authority::new("doctor-authority");
    let trusting = Some(&*authority.file);
    let server = echo(authority.tls("localhost", |_| {})).await;
    let url = server.url("wss");
    let examination = examine_trusting(&[&url], trusting).await;
    examination.assert_ok();
    examination.assert_line(
        "ok",
        "TLS",
        &["TLS 1.3", "the certificate for localhost is trusted"],
    );

    // On a machine that does not trust the authority.
    let examination = examine(&[&url]).await;
    examination.assert_fails("TLS", &["is not trusted on this machine"], "fullchain.pem");

    let expired = authority.tls("localhost", |params| {
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2025, 1, 1);
    });
    let examination = examine_trusting(&[&echo(expired).await.url("wss")], trusting).await;
    examination.assert_fails(
        "TLS",
        &["the certificate expired ", "days ago"],
        "from ACM that names localhost",
    );

    let early = authority.tls("localhost", |params| {
        params.not_before = date_time_ymd(3000, 1, 1);
    });
    let examination = examine_trusting(&[&echo(early).await.url("wss")], trusting).await;
    examination.assert_fails(
        "TLS",
        &["becomes valid in", "check the clocks"],
        "certificate",
    );

    let other = authority.tls("other.example", |_| {});
    let examination = examine_trusting(&[&echo(other).await.url("wss")], trusting).await;
    let words = ["is for", "other.example", "not for localhost"];
    examination.assert_fails("TLS", &words, "the certificate for localhost first");
}

#[tokio::test]
async fn self_signed_certificate_is_recognized() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let server = echo(config(cert.der().clone(), &signing_key)).await;
    let examination = examine(&[&server.url("wss")]).await;
    examination.assert_fails("TLS", &["self-signed"], "SSL_CERT_FILE");
}

#[tokio::test]
async fn server_with_only_http2_is_diagnosed() {
    let authority = Authority::new("doctor-http2");
    let mut config = authority.tls("localhost", |_| {});
    config.alpn_protocols = vec![b"h2".to_vec()];
    let only = echo(config).await;
    let examination = examine_trusting(&[&only.url("wss")], Some(&authority.file)).await;
    examination.assert_fails("TLS", &["W10", "only HTTP/2"], "ProtocolVersion HTTP1");

    let mut config = authority.tls("localhost", |_| {});
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let both = echo(config).await;
    examine_trusting(&[&both.url("wss")], Some(&authority.file))
        .await
        .assert_ok();

    // Without TLS: SETTINGS, the first frame of an HTTP/2 server.
    let plain = MockServer::start(|_| MockResponse::new(*b"\0\0\0\x04\0\0\0\0\0")).await;
    let examination = examine(&[&plain.url("ws")]).await;
    examination.assert_fails("GET", &["W10", "only HTTP/2"], "ProtocolVersion HTTP1");
}

#[tokio::test]
async fn ws_on_a_tls_port_is_diagnosed() {
    let authority = Authority::new("doctor-wants-tls");
    let server = echo(authority.tls("localhost", |_| {})).await;
    let url = format!("wss://localhost:{}/ws", server.port());
    // rustls answers bytes that are not TLS with an alert.
    let examination = examine(&[&server.url("ws")]).await;
    let words = ["W13", "requires TLS", &*url];
    examination.assert_fails("GET", &words, &format!("new WebSocket(\"{url}\")"));

    // nginx answers with an HTTP page; other servers close the connection.
    let config = Arc::new(authority.tls("localhost", |_| {}));
    for reply in [
        &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nHTTPS"[..],
        b"",
    ] {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        let server = MockServer::raw(move |mut socket| {
            let acceptor = acceptor.clone();
            async move {
                let mut first = [0];
                socket.peek(&mut first).await.unwrap();
                if first == [0x16] {
                    drop(acceptor.accept(socket).await);
                    return;
                }
                let _ = socket.write_all(reply).await;
                let _ = socket.shutdown().await;
                // Closing with unread bytes would reset the connection.
                let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
            }
        });
        let server = server.await;
        let examination = examine(&[&server.url("ws")]).await;
        let step = if reply.is_empty() { "GET" } else { "handshake" };
        examination.assert_fails(step, &["W13", "requires TLS"], "wss://localhost:");
    }
}

#[tokio::test]
async fn wss_on_a_plain_port_is_diagnosed() {
    let guard = Guard::start(&[]).await;
    let url = format!("//{}/ws", guard.addr());
    let examination = examine(&[&format!("wss:{url}")]).await;
    let change = format!("new WebSocket(\"ws:{url}\")");
    examination.assert_fails("TLS", &["W13", "accepts plain HTTP"], &change);
    examine(&[&format!("ws:{url}")]).await.assert_ok();
}

#[tokio::test]
async fn other_protocols_are_shown() {
    // A server that sends first, such as SSH and mail servers.
    let banner = MockServer::raw(|mut socket| async move {
        let _ = socket.write_all(b"SSH-2.0-\x1b[2Jsomething\r\n").await;
        let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
    });
    let banner = banner.await;
    let examination = examine(&[&banner.url("ws")]).await;
    examination.assert_fails(
        "GET",
        &["W13", "not valid HTTP", r#""SSH-2.0-\x1b[2Jsomething""#],
        "check the port",
    );
    let examination = examine(&[&banner.url("wss")]).await;
    examination.assert_fails(
        "TLS",
        &["W13", "does not accept plain HTTP"],
        "listen 443 ssl;",
    );

    let mute = MockServer::raw(|mut socket| async move {
        let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
    });
    let mute = mute.await;
    let examination = examine(&[&mute.url("ws")]).await;
    examination.assert_fails("GET", &["W13", "sent nothing for 10 s"], "is not blocked");

    let valid = MockServer::start(|request| {
        if request.is_handshake() {
            request.upgrade(Behavior::Echo)
        } else {
            response(404, "no page here")
        }
    });
    examine(&[&valid.await.url("ws")]).await.assert_ok();
}
