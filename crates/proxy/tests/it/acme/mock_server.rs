//! What pebble does not do: renewal information, and rate limits.

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gabion_proxy::{Acme, AcmeChallenge::TlsAlpn, AcmeOptions, Certificates, TermsOfService};
use gabion_testkit::{LoopbackServer, TempFolder, eventually};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::POLL;
use crate::{support::logged, tls::Authority};

/// A window in the past: the certificate is to be renewed at once.
const WINDOW: &str =
    r#"{"suggestedWindow": {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}}"#;
const RATE_LIMITED: &str =
    r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many orders"}"#;

/// The payloads of the orders that were refused.
type Orders = Arc<Mutex<Vec<String>>>;

/// Reads one request, and returns its path and body.
async fn request(stream: &mut TlsStream<TcpStream>) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            let target = head.split(' ').nth(1).unwrap();
            let path = target.split('/').nth(1).unwrap_or_default();
            return Some((path.to_owned(), body.to_owned()));
        }
    }
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream, orders: Orders) -> Option<()> {
    let addr = stream.local_addr().unwrap();
    let mut stream = acceptor.accept(stream).await.ok()?;
    let (path, body) = request(&mut stream).await?;
    let base = format!("https://localhost:{}", addr.port());
    let directory = format!(
        r#"{{"newNonce": "{base}/nonce", "newAccount": "{base}/account", "newOrder": "{base}/order",
            "renewalInfo": "{base}/renewal"}}"#
    );
    let (status, line, body) = match &*path {
        "dir" => ("200 OK", "x-a: b".to_owned(), &*directory),
        "nonce" => ("200 OK", "x-a: b".to_owned(), ""),
        "account" => ("201 Created", format!("location: {base}/account/1"), "{}"),
        "renewal" => ("200 OK", "retry-after: 21600".to_owned(), WINDOW),
        _ => {
            let jws: serde_json::Value = serde_json::from_str(&body).unwrap();
            let payload = URL_SAFE_NO_PAD
                .decode(jws["payload"].as_str().unwrap())
                .unwrap();
            orders
                .lock()
                .unwrap()
                .push(String::from_utf8(payload).unwrap());
            (
                "429 Too Many Requests",
                "retry-after: 7200".to_owned(),
                RATE_LIMITED,
            )
        }
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nreplay-nonce: n\r\n{line}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(response.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_follows_the_authority_and_waits_for_its_rate_limit() {
    let (name, authority) = ("suggested.example", Authority::new("acme-mock"));
    let (orders, acceptor) = (Orders::default(), authority.acceptor());
    let seen = Arc::clone(&orders);
    let server = LoopbackServer::start(move |stream| {
        let answered = answer(acceptor.clone(), stream, Arc::clone(&seen));
        async move {
            let _ = answered.await;
        }
    })
    .await;
    let port = server.addr().port();
    let state = TempFolder::new("acme-mock-state");
    let options = AcmeOptions::new(state.path(), [name], TermsOfService::Agreed).unwrap();
    let options = options
        .with_directory(format!("https://localhost:{port}/dir"))
        .with_authority(authority.file())
        .with_challenges([TlsAlpn])
        .with_poll_interval(POLL);
    let start = || Acme::start(&options, &Arc::new(Certificates::load([]).unwrap())).unwrap();
    logged(name);
    // The first order creates the account, and is refused.
    let acme = start();
    let refused =
        |count| move |orders: &Orders| (orders.lock().unwrap().len() >= count).then_some(());
    assert!(
        eventually(|| refused(1)(&orders)).await.is_some(),
        "{}",
        logged(name)
    );
    let failed = eventually(|| logged(name).contains("attempt 1").then_some(())).await;
    assert!(failed.is_some(), "{}", logged(name));
    drop(acme);
    let log = logged(name);
    let limited = "limits the rate of requests for `suggested.example`: too many orders; the next attempt is after 20";
    assert!(log.contains(limited), "{log}");

    // A certificate that is far from two thirds of its lifetime, which the authority wants to be replaced.
    let folder = state.path().join(format!("acme/localhost_{port}_dir"));
    let (chain, key) = authority.issue(&[name]);
    let file = |kind: &str| folder.join(format!("{name}.{kind}")).display().to_string();
    write(&file("pem"), &(key + &chain));
    let failures = read(&file("failures.json"));
    let acme = start();
    tokio::time::sleep(POLL * 8).await;
    assert_eq!(
        orders.lock().unwrap().len(),
        1,
        "the rate limit holds after a restart"
    );
    std::fs::remove_file(file("failures.json")).unwrap();
    assert!(
        eventually(|| refused(2)(&orders)).await.is_some(),
        "{}",
        logged(name)
    );
    let replaces = orders.lock().unwrap()[1].contains("\"replaces\"");
    assert!(replaces && !orders.lock().unwrap()[0].contains("replaces"));
    drop(acme);
    assert!(
        failures.contains("\"count\":1,\"not_before\":"),
        "{failures}"
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test takes the place of another instance"
)]
fn write(file: &str, text: &str) {
    std::fs::write(file, text).unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test looks into the state folder"
)]
fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap()
}
