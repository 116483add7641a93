//! Certificates by name, and their files.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use gabion_proxy::{CertificateFiles, Certificates, ServeOptions, Tls};
use gabion_testkit::{ProxyServer, eventually};
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::{Authority, HTTP1};
use crate::support::{Setup, logged};

fn front(certificates: &Arc<Certificates>) -> ProxyServer {
    let tls = Tls::new(Arc::clone(certificates)).unwrap();
    let serve = ServeOptions::default().with_tls(tls);
    let setup = Setup {
        serve,
        ..Setup::default()
    };
    setup.before("http://127.0.0.1:1")
}

/// The certificate that a client which asks for `name` gets and trusts.
async fn certificate(
    authority: &Authority,
    addr: SocketAddr,
    name: &str,
) -> Option<CertificateDer<'static>> {
    let stream = authority.connect(addr, name, HTTP1).await.ok()?;
    let certificates = stream.get_ref().1.peer_certificates()?;
    Some(certificates[0].clone().into_owned())
}

#[tokio::test]
async fn certificate_is_selected_by_name() {
    let authority = Authority::new("tls-names");
    let files = [
        authority.write("first", &["localhost", "A.example"]),
        authority.write("wildcard", &["*.b.example", "b.example"]),
        authority.write("more", &["special.b.example", "a.example"]),
    ];
    let certificates = Arc::new(Certificates::load(files).unwrap());
    let front = front(&certificates);
    let of = |name: &'static str| certificate(&authority, front.addr(), name);
    let first = of("localhost").await.unwrap();
    // Of two certificates for one name, the first is served.
    assert_eq!(of("a.example").await.unwrap(), first);
    let wildcard = of("x.b.example").await.unwrap();
    assert_ne!(wildcard, first);
    assert_eq!(of("b.example").await.unwrap(), wildcard);
    let special = of("special.b.example").await.unwrap();
    assert!(special != wildcard && special != first);
    // A client that asks for another name gets the first one, which it does not trust for that name.
    assert!(of("other.example").await.is_none());
    assert!(of("x.y.b.example").await.is_none());
}

#[tokio::test]
async fn client_that_asks_for_no_name_gets_the_first_certificate() {
    let authority = Authority::new("tls-default");
    let files = [
        authority.write("first", &["127.0.0.1"]),
        authority.write("second", &["b.example"]),
    ];
    let certificates = Arc::new(Certificates::load(files).unwrap());
    let front = front(&certificates);
    // The name of an IP address is not sent (RFC 6066, 3).
    let first = certificate(&authority, front.addr(), "127.0.0.1").await;
    assert!(first.is_some());
}

#[tokio::test]
async fn changed_certificate_is_used_and_a_broken_one_is_not() {
    let authority = Authority::new("tls-reload");
    let files = authority.write("a", &["localhost"]);
    let certificates = Arc::new(Certificates::load([files.clone()]).unwrap());
    let front = front(&certificates);
    let served = || async {
        let certificate = certificate(&authority, front.addr(), "localhost").await;
        certificate.expect("a certificate is served")
    };
    let first = served().await;
    let reloaded = certificates.reload();
    assert!(reloaded.changed.is_empty() && reloaded.errors.is_empty());

    authority.write("a", &["localhost"]);
    assert_eq!(certificates.reload().changed, [files]);
    let second = served().await;
    assert_ne!(second, first);

    // Each file alone, the key of another certificate, and files that are no certificates.
    let (chain, key) = authority.issue(&["localhost"]);
    let (_, other_key) = authority.issue(&["localhost"]);
    for (chain, key, named, reason) in [
        (
            Some(&*chain),
            None,
            "a.key",
            "is not that of the first certificate in",
        ),
        (
            Some(&*chain),
            Some(&*other_key),
            "a.key",
            "is not that of the first certificate in",
        ),
        (None, Some("no key"), "a.key", "contains no private key"),
        (Some(""), Some(&*key), "a.pem", "contains no certificate"),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            None,
            "a.pem",
            "is invalid",
        ),
        (
            Some("-----BEGIN CERTIFICATE-----\n!\n"),
            None,
            "a.pem",
            "not in PEM form",
        ),
    ] {
        if let Some(chain) = chain {
            authority.folder.replace("a.pem", chain);
        }
        if let Some(key) = key {
            authority.folder.replace("a.key", key);
        }
        for _ in 0..2 {
            let reloaded = certificates.reload();
            let [error] = &reloaded.errors[..] else {
                panic!("{reloaded:?}");
            };
            let error = error.to_string();
            assert!(error.contains(named) && error.contains(reason), "{error}");
            assert!(reloaded.changed.is_empty(), "{reloaded:?}");
        }
        assert_eq!(served().await, second, "{reason}");
    }
    let missing = authority.folder.file("missing.pem");
    let error = Certificates::load([CertificateFiles::new(&missing, &missing)]).unwrap_err();
    assert!(error.to_string().starts_with("cannot read `"), "{error}");

    // The second half arrives.
    authority.folder.replace("a.pem", &chain);
    authority.folder.replace("a.key", &key);
    assert_eq!(certificates.reload().changed.len(), 1);
    let third = served().await;
    assert!(third != second && third != first);
}

#[tokio::test]
async fn one_broken_certificate_does_not_keep_another_from_being_renewed() {
    let authority = Authority::new("tls-two");
    let files = [
        authority.write("a", &["localhost"]),
        authority.write("b", &["b.example"]),
    ];
    let certificates = Arc::new(Certificates::load(files).unwrap());
    let front = front(&certificates);
    let old = certificate(&authority, front.addr(), "b.example").await;
    authority.folder.replace("a.pem", "");
    authority.write("b", &["b.example"]);
    let reloaded = certificates.reload();
    assert_eq!((reloaded.changed.len(), reloaded.errors.len()), (1, 1));
    let new = certificate(&authority, front.addr(), "b.example").await;
    assert!(new.is_some() && new != old);
    assert!(
        certificate(&authority, front.addr(), "localhost")
            .await
            .is_some()
    );
}

#[tokio::test]
async fn watched_files_are_read_when_they_change_and_each_error_is_logged_once() {
    let authority = Authority::new("tls-watch");
    let files = authority.write("watched", &["localhost"]);
    let certificates = Arc::new(Certificates::load([files]).unwrap());
    let front = front(&certificates);
    certificates.watch(Duration::from_millis(10)).unwrap();
    let folder = authority.folder.path().display().to_string();
    let lines = |what: &str| {
        let log = logged(&folder);
        log.lines().filter(|line| line.contains(what)).count()
    };
    authority.folder.replace("watched.key", "no key");
    let error = "the previous certificate stays in use";
    assert!(
        eventually(|| (lines(error) > 0).then_some(()))
            .await
            .is_some()
    );
    let old = certificate(&authority, front.addr(), "localhost").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(lines(error), 1);
    authority.write("watched", &["localhost"]);
    let has_changed = || (lines("has changed, and is used from now on") > 0).then_some(());
    assert!(eventually(has_changed).await.is_some());
    let new = certificate(&authority, front.addr(), "localhost").await;
    assert!(new.is_some() && new != old);
}
