use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::CertificateDer},
};

use crate::support::{Folder, Guard};

use super::{
    examine, examine_trusting,
    stage::{Answer, Stage, Then, answer},
};

/// An authority that the doctor may be told to trust.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    _folder: Folder,
    file: String,
}

impl Authority {
    fn new(test: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let folder = Folder::new(test);
        let file = folder.write("authority.pem", &issuer.pem());
        Self {
            issuer,
            _folder: folder,
            file,
        }
    }

    /// TLS with a certificate for `name`, made as `made` says.
    fn tls(&self, name: &str, made: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        made(&mut params);
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

async fn echo(config: ServerConfig) -> Stage {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Stage::with_tls(Some(acceptor), |asked| asked.opened(Then::Echo)).await
}

#[tokio::test]
async fn good_certificate_is_well_and_a_bad_one_says_why() {
    let authority = Authority::new("doctor-authority");
    let trusting = Some(&*authority.file);
    let stage = echo(authority.tls("localhost", |_| {})).await;
    let url = stage.url("wss");
    let examined = examine_trusting(&[&url], trusting).await;
    examined.is_well();
    examined.says("ok", "TLS", &["TLS 1.3", "localhost's and trusted"]);

    // Nobody told this machine of the authority.
    let examined = examine(&[&url]).await;
    examined.fails("TLS", &["nobody trusted here has signed"], "fullchain.pem");

    let expired = authority.tls("localhost", |params| {
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2025, 1, 1);
    });
    let examined = examine_trusting(&[&echo(expired).await.url("wss")], trusting).await;
    examined.fails(
        "TLS",
        &["has expired,", "days ago"],
        "ACM that names localhost",
    );

    let early = authority.tls("localhost", |params| {
        params.not_before = date_time_ymd(3000, 1, 1);
    });
    let examined = examine_trusting(&[&echo(early).await.url("wss")], trusting).await;
    examined.fails(
        "TLS",
        &["valid only in", "is a clock wrong?"],
        "certificate",
    );

    let other = authority.tls("other.example", |_| {});
    let examined = examine_trusting(&[&echo(other).await.url("wss")], trusting).await;
    let words = ["is for", "other.example", "and not for localhost"];
    examined.fails("TLS", &words, "the certificate for localhost first");
}

#[tokio::test]
async fn self_signed_certificate_is_named_so() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let stage = echo(config(cert.der().clone(), &signing_key)).await;
    let examined = examine(&[&stage.url("wss")]).await;
    examined.fails("TLS", &["self-signed"], "SSL_CERT_FILE");
}

#[tokio::test]
async fn server_of_http2_alone_is_named() {
    let authority = Authority::new("doctor-http2");
    let mut config = authority.tls("localhost", |_| {});
    config.alpn_protocols = vec![b"h2".to_vec()];
    let only = echo(config).await;
    let examined = examine_trusting(&[&only.url("wss")], Some(&authority.file)).await;
    examined.fails("TLS", &["W10", "HTTP/2 only"], "ProtocolVersion HTTP1");

    let mut config = authority.tls("localhost", |_| {});
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let both = echo(config).await;
    examine_trusting(&[&both.url("wss")], Some(&authority.file))
        .await
        .is_well();

    // Without TLS: SETTINGS, as such a server greets everyone.
    let plain = Stage::start(|_| Answer::of(*b"\0\0\0\x04\0\0\0\0\0")).await;
    let examined = examine(&[&plain.url("ws")]).await;
    examined.fails("GET", &["W10", "HTTP/2 only"], "ProtocolVersion HTTP1");
}

#[tokio::test]
async fn ws_on_a_tls_port_is_named() {
    let authority = Authority::new("doctor-wants-tls");
    let stage = echo(authority.tls("localhost", |_| {})).await;
    let url = format!("wss://localhost:{}/ws", stage.port());
    // rustls answers what is no TLS with an alert.
    let examined = examine(&[&stage.url("ws")]).await;
    let words = ["W13", "speaks TLS", &*url];
    examined.fails("GET", &words, &format!("new WebSocket(\"{url}\")"));

    // nginx answers it with a page of HTTP, others with silence or an end.
    let config = Arc::new(authority.tls("localhost", |_| {}));
    for reply in [
        &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nHTTPS"[..],
        b"",
    ] {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        let stage = Stage::raw(move |mut socket| {
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
                // Read before it is closed: what is unread makes a reset.
                let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
            }
        });
        let stage = stage.await;
        let examined = examine(&[&stage.url("ws")]).await;
        let step = if reply.is_empty() { "GET" } else { "handshake" };
        examined.fails(step, &["W13", "speaks TLS"], "wss://localhost:");
    }
}

#[tokio::test]
async fn wss_on_a_plain_port_is_named() {
    let guard = Guard::start(&[]).await;
    let url = format!("//{}/ws", guard.addr());
    let examined = examine(&[&format!("wss:{url}")]).await;
    let change = format!("new WebSocket(\"ws:{url}\")");
    examined.fails("TLS", &["W13", "speaks plain HTTP"], &change);
    examine(&[&format!("ws:{url}")]).await.is_well();
}

#[tokio::test]
async fn what_speaks_neither_is_shown() {
    // It speaks first, as SSH and mail servers do.
    let banner = Stage::raw(|mut socket| async move {
        let _ = socket.write_all(b"SSH-2.0-\x1b[2Jsomething\r\n").await;
        let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
    });
    let banner = banner.await;
    let examined = examine(&[&banner.url("ws")]).await;
    examined.fails(
        "GET",
        &["W13", "no valid HTTP", r#""SSH-2.0-\x1b[2Jsomething""#],
        "right port",
    );
    let examined = examine(&[&banner.url("wss")]).await;
    examined.fails(
        "TLS",
        &["W13", "plain HTTP is not spoken either"],
        "listen 443 ssl;",
    );

    let mute = Stage::raw(|mut socket| async move {
        let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
    });
    let mute = mute.await;
    let examined = examine(&[&mute.url("ws")]).await;
    examined.fails("GET", &["W13", "said nothing for 10 s"], "Does it hang?");

    let honest = Stage::start(|asked| {
        if asked.is_handshake() {
            asked.opened(Then::Echo)
        } else {
            answer(404, "no page here")
        }
    });
    examine(&[&honest.await.url("ws")]).await.is_well();
}
