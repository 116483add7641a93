//! From an empty cache to a renewal, and failures.

use std::time::Duration;

use gabion_proxy::{
    AcmeChallenge::{Http, TlsAlpn},
    AcmeOptions, TermsOfService,
};
use gabion_testkit::{LoopbackServer, TempFolder, eventually};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use super::{HOUR, POLL, Server, TestAuthority};
use crate::{support::logged, tls::Authority};

#[tokio::test(flavor = "multi_thread")]
async fn certificate_is_obtained_and_renewed_by_each_challenge() {
    for (challenge, name) in [
        (Http, "obtain-http.example"),
        (TlsAlpn, "obtain-tls.example"),
    ] {
        let server = Server::bind();
        // Renewed after 4 s.
        let Some(authority) = TestAuthority::start("acme-renew", server.ports(), 6).await else {
            return;
        };
        logged(name);
        let running = server.start(&authority.options(name, &[challenge]));
        assert_eq!(running.certificate(name).await, None, "there is none yet");
        let first = running.next_certificate(name, None).await;
        assert_eq!(authority.pebble.issued(), 1);
        let second = running.next_certificate(name, Some(&first)).await;
        let parsed = webpki_names(&second);
        assert_eq!(parsed, [name]);
        // A name that was not asked for gets the only one there is.
        assert!(running.certificate("other.example").await.is_some());
        let log = logged(name);
        for line in [
            "ordering a certificate for",
            "until then, TLS handshakes for it fail",
            "scanners read the certificate transparency logs",
            "the present one stays in use until then",
            "is renewed after",
        ] {
            assert!(log.contains(line), "no {line:?} in {log}");
        }
        assert!(!log.contains("ERROR"), "{log}");
    }
}

fn webpki_names(certificate: &[u8]) -> Vec<String> {
    let der = certificate.into();
    let parsed = webpki::EndEntityCert::try_from(&der).unwrap();
    parsed.valid_dns_names().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_uses_the_cache_without_an_order() {
    let name = "restart.example";
    let server = Server::bind();
    let Some(authority) = TestAuthority::start("acme-restart", server.ports(), HOUR).await else {
        return;
    };
    let options = authority.options(name, &[TlsAlpn]);
    let running = server.start(&options);
    let first = running.next_certificate(name, None).await;
    drop(running);
    let again = Server::bind().start(&options);
    assert_eq!(
        again.certificate(name).await,
        Some(first),
        "from the first handshake on"
    );
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(authority.pebble.issued(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_challenge_is_explained_and_another_one_is_tried() {
    let name = "alternate.example";
    let server = Server::bind();
    let mut ports = server.ports();
    // Nobody listens there.
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ports.http = unused.local_addr().unwrap().port();
    drop(unused);
    let Some(authority) = TestAuthority::start("acme-alternate", ports, HOUR).await else {
        return;
    };
    logged(name);
    let options = authority.options(name, &[Http, TlsAlpn]);
    let running = server.start(&options.with_retry_delay(Duration::from_millis(300)));
    running.next_certificate(name, None).await;
    let log = logged(name);
    let error = "no certificate for `alternate.example` by http-01: the certificate authority cannot connect to \
                 `alternate.example`";
    assert!(
        log.contains(error) && log.contains("port 80 is open to the internet"),
        "{log}"
    );
    assert!(
        log.contains("(attempt 1; the next one is after 20"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_of_another_server_is_explained_and_not_tried_again_at_once() {
    let name = "elsewhere.example";
    let other = LoopbackServer::start(|mut stream| async move {
        let not_found =
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
        let _ = stream.write_all(not_found).await;
        let _ = stream.shutdown().await;
        let mut rest = [0; 1024];
        while let Ok(1..) = tokio::io::AsyncReadExt::read(&mut stream, &mut rest).await {}
    })
    .await;
    let server = Server::bind();
    let mut ports = server.ports();
    ports.http = other.addr().port();
    let Some(authority) = TestAuthority::start("acme-elsewhere", ports, HOUR).await else {
        return;
    };
    logged(name);
    let options = authority.options(name, &[Http]);
    let running = server.start(&options);
    let failed = || logged(name).contains("no certificate for").then_some(());
    assert!(eventually(failed).await.is_some());
    let attempts = || logged(name).matches("ordering a certificate").count();
    assert_eq!(attempts(), 1);
    let log = logged(name);
    assert!(
        log.contains("another server answers for `elsewhere.example`"),
        "{log}"
    );
    assert!(log.contains("point the DNS name to this server"), "{log}");
    // Nor by a process that is started again.
    drop(running);
    let again = Server::bind().start(&options);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(attempts(), 1);
    assert_eq!(again.certificate(name).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_is_not_reached_is_explained_and_other_names_are_served() {
    let name = "no-server.example";
    let (own, state) = (
        Authority::new("acme-no-server"),
        TempFolder::new("acme-no-server"),
    );
    let server = Server::with_files([own.write("other", &["other.example"])]);
    logged(name);
    let options = AcmeOptions::new(state.path(), [name], TermsOfService::Agreed).unwrap();
    let options = options.with_directory("https://127.0.0.1:1/dir");
    let running = server.start(&options.with_authority(own.file()).with_poll_interval(POLL));
    let error = "cannot use the ACME server `https://127.0.0.1:1/dir`";
    let failed = eventually(|| logged(name).contains(error).then_some(()));
    assert!(failed.await.is_some(), "{}", logged(name));
    // The certificate of another name does not stand in for it.
    assert_eq!(running.certificate(name).await, None);
    assert!(running.certificate("other.example").await.is_some());
}
