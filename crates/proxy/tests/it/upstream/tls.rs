//! TLS to the upstream: trust, names and ALPN.

use std::sync::Arc;

use gabion_proxy::{UpstreamOptions, UpstreamTls};
use gabion_testkit::LoopbackServer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring},
};

use super::{get, serve_http1, serve_http2};
use crate::support::{Setup, group, logged};

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn options(&self) -> UpstreamOptions {
        let tls = UpstreamTls::with_ca(self.0.pem().as_bytes()).unwrap();
        UpstreamOptions::default().with_tls(tls)
    }

    /// A server with a certificate for `name` that selects one of `protocols`.
    async fn serve(&self, name: &str, protocols: &[&str]) -> LoopbackServer {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        LoopbackServer::start(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => serve_http2(stream, "h2".to_owned()).await,
                    _ => serve_http1(stream, "http/1.1".to_owned()).await,
                }
            }
        })
        .await
    }
}

#[tokio::test]
async fn scheme_selects_the_protocol_by_alpn() {
    let authority = Authority::new();
    let server = authority.serve("localhost", &["h2", "http/1.1"]).await;
    let old = authority.serve("localhost", &[]).await;
    for (scheme, server, expected) in [
        ("https", &server, "HTTP/1.1 localhost http/1.1"),
        ("h2", &server, "HTTP/2.0 localhost h2"),
        ("https", &old, "HTTP/1.1 localhost http/1.1"),
    ] {
        let url = format!("{scheme}://localhost:{}", server.addr().port());
        let front = Setup::default().before_group(group(&[&url], &authority.options()));
        for _ in 0..2 {
            assert_eq!(get(&front).await, expected, "{url}");
        }
    }
}

#[tokio::test]
async fn untrusted_certificate_wrong_name_and_missing_alpn_are_502() {
    let authority = Authority::new();
    let trusted = authority.serve("localhost", &["http/1.1"]).await;
    let elsewhere = authority.serve("app.example", &["http/1.1"]).await;
    let by_address = authority.serve("127.0.0.1", &[]).await;
    let stranger = Authority::new();
    let plain = super::named_server("plain").await;
    for (scheme, host, server, options, reason) in [
        (
            "https",
            "localhost",
            &trusted,
            stranger.options(),
            "invalid peer certificate",
        ),
        (
            "https",
            "localhost",
            &elsewhere,
            authority.options(),
            "app.example",
        ),
        (
            "https",
            "127.0.0.1",
            &trusted,
            authority.options(),
            "not valid for name",
        ),
        (
            "h2",
            "127.0.0.1",
            &by_address,
            authority.options(),
            "write `https://`",
        ),
        (
            "https",
            "localhost",
            &plain,
            authority.options(),
            "TLS handshake",
        ),
    ] {
        let url = format!("{scheme}://{host}:{}", server.addr().port());
        let front = Setup::default().before_group(group(&[&url], &options));
        let response = front.connect().await.get("/", "").await.unwrap();
        assert_eq!(response.status, 502, "{url}");
        assert!(
            response
                .text()
                .contains("the TLS handshake with the upstream failed")
        );
        let logged = logged(&url);
        assert!(logged.contains(reason), "no {reason} in {logged}");
    }
}

#[tokio::test]
async fn websocket_uses_http1_beside_http2() {
    let authority = Authority::new();
    let server = authority.serve("localhost", &["h2", "http/1.1"]).await;
    let url = format!("h2://localhost:{}", server.addr().port());
    let front = Setup::default().before_group(group(&[&url], &authority.options()));
    let handshake = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let response = front.connect().await.get("/ws", handshake).await.unwrap();
    // This server opens no WebSocket, and answers in the version that it was asked in.
    assert_eq!(response.text(), "HTTP/1.1 localhost http/1.1");
}
