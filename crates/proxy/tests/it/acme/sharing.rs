//! Instances that share a state folder.

use gabion_proxy::AcmeChallenge::{Http, TlsAlpn};
use gabion_testkit::eventually;

use super::{HOUR, Server, TestAuthority};
use crate::support::logged;

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_one_order() {
    let name = "shared.example";
    let server = Server::bind();
    let Some(authority) = TestAuthority::start("acme-shared", server.ports(), HOUR).await else {
        return;
    };
    logged(name);
    let options = authority.options(name, &[TlsAlpn]);
    let first = server.start(&options);
    let second = Server::bind().start(&options);
    let certificate = first.next_certificate(name, None).await;
    assert_eq!(second.next_certificate(name, None).await, certificate);
    assert_eq!(authority.pebble.issued(), 1);
    assert_eq!(logged(name).matches("ordering a certificate").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_answers_the_challenge_of_another_ones_order() {
    for (challenge, name) in [
        (Http, "answers-http.example"),
        (TlsAlpn, "answers-tls.example"),
    ] {
        let reached = Server::bind();
        let Some(authority) = TestAuthority::start("acme-answers", reached.ports(), HOUR).await
        else {
            return;
        };
        // It reads the folder as rarely as an order allows, and places no orders itself.
        let start = |server: Server, challenges: &[_]| {
            let options = authority.options(name, challenges);
            server.start(&options.with_poll_interval(super::POLL * 10))
        };
        let reached = start(reached, &[]);
        let orders = start(Server::bind(), &[challenge]);
        let certificate = orders.next_certificate(name, None).await;
        assert_eq!(reached.next_certificate(name, None).await, certificate);
        assert_eq!(authority.pebble.issued(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_waits_while_another_one_orders() {
    let name = "locked.example";
    let server = Server::bind();
    let Some(authority) = TestAuthority::start("acme-locked", server.ports(), HOUR).await else {
        return;
    };
    logged(name);
    let options = authority.options(name, &[TlsAlpn]);
    let running = server.start(&options);
    let first = running.next_certificate(name, None).await;
    drop(running);
    // An order elsewhere is in progress: its lock, and no certificate yet.
    let port = options
        .directory()
        .rsplit([':', '/'])
        .nth(1)
        .unwrap()
        .to_owned();
    let folder = authority
        .state
        .path()
        .join(format!("acme/localhost_{port}_dir"));
    let lock = held_lock(&folder);
    let (file, aside) = (folder.join(format!("{name}.pem")), folder.join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    let waiting = Server::bind().start(&options);
    tokio::time::sleep(super::POLL * 6).await;
    assert_eq!(waiting.certificate(name).await, None);
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(waiting.next_certificate(name, None).await, first);
    drop(lock);
    let quiet = eventually(|| (authority.pebble.issued() > 1).then_some(()));
    let quiet = tokio::time::timeout(super::POLL * 10, quiet).await;
    assert!(quiet.is_err(), "no second order");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test takes the place of another instance"
)]
fn held_lock(folder: &std::path::Path) -> std::fs::File {
    let mut options = std::fs::File::options();
    let lock = options.write(true).open(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    lock
}
