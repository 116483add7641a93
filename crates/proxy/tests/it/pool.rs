//! A connection to the upstream outlives its exchange, as long as it is of use.

use std::time::Duration;

use gabion_proxy::ProxyOptions;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy, sink},
    time::{sleep, timeout},
};

use crate::support::{Backend, Front, PATIENCE, Setup, Wire};

const IDLE: Duration = Duration::from_millis(300);

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn forgetful() -> Setup {
    Setup {
        proxy: ProxyOptions::default().with_pool_idle(IDLE),
        ..Setup::default()
    }
}

async fn get(client: &mut Wire, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send(&request).await;
}

/// Asks over `upstream`, which is kept.
async fn again(client: &mut Wire, upstream: &mut Wire) {
    get(client, "/again").await;
    let head = upstream.head().await;
    assert!(head.starts_with("GET /again "), "{head}");
    upstream.send(OK).await;
    client.until("ok").await;
}

#[tokio::test]
async fn connection_is_kept_whatever_ends_the_answer() {
    for (answer, end) in [
        (OK, "ok"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "\r\n\r\n"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "0\r\n\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
             2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n",
            "\r\n\r\n",
        ),
    ] {
        let backend = Backend::bind().await;
        let front = Front::before(&backend);
        let mut client = front.connect().await;
        get(&mut client, "/first").await;
        let (mut upstream, _) = backend.answer(answer).await;
        client.until(end).await;
        again(&mut client, &mut upstream).await;
    }
}

#[tokio::test]
async fn connection_is_kept_for_the_next_client() {
    let backend = Backend::bind().await;
    let front = Front::before(&backend);
    let mut client = front.connect().await;
    get(&mut client, "/first").await;
    let (mut upstream, _) = backend.answer(OK).await;
    client.until("ok").await;
    drop(client);
    again(&mut front.connect().await, &mut upstream).await;
}

#[tokio::test]
async fn connections_of_exchanges_at_once_are_two_and_both_are_kept() {
    let backend = Backend::bind().await;
    let front = Front::before(&backend);
    let [mut one, mut other] = [front.connect().await, front.connect().await];
    get(&mut one, "/one").await;
    let mut first = backend.accept().await;
    get(&mut other, "/other").await;
    let mut second = backend.accept().await;
    for (client, upstream) in [(&mut one, &mut first), (&mut other, &mut second)] {
        upstream.head().await;
        upstream.send(OK).await;
        client.until("ok").await;
    }
    // The last one that was put in is the first to be taken.
    again(&mut one, &mut second).await;
    get(&mut one, "/again").await;
    second.head().await;
    again(&mut other, &mut first).await;
}

#[tokio::test]
async fn connection_that_nobody_uses_is_closed() {
    let backend = Backend::bind().await;
    let front = forgetful().before(&backend.url());
    let mut client = front.connect().await;
    get(&mut client, "/first").await;
    let (mut upstream, _) = backend.answer(OK).await;
    client.until("ok").await;
    sleep(IDLE / 3).await;
    again(&mut client, &mut upstream).await;
    // From its last use.
    sleep(IDLE * 2 / 3).await;
    again(&mut client, &mut upstream).await;
    let closed = timeout(IDLE * 3, upstream.end()).await;
    assert_eq!(closed.unwrap(), "");
    get(&mut client, "/later").await;
    backend.answer(OK).await;
    client.until("ok").await;
}

#[tokio::test]
async fn connection_that_the_upstream_closed_fails_no_request() {
    let backend = Backend::bind().await;
    let front = Front::before(&backend);
    let mut client = front.connect().await;
    for parting in [
        "",
        "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n",
    ] {
        get(&mut client, "/first").await;
        let (mut upstream, _) = backend.answer(OK).await;
        client.until("ok").await;
        upstream.send(parting).await;
        drop(upstream);
        sleep(IDLE / 3).await;
    }
    let body = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    client.send(body).await;
    let mut upstream = backend.accept().await;
    upstream.until("body").await;
    upstream.send(OK).await;
    client.until("ok").await;
}

#[tokio::test]
async fn answer_that_was_not_read_to_its_end_ends_its_connection() {
    let backend = Backend::bind().await;
    let front = Front::before(&backend);
    let mut client = front.connect().await;
    get(&mut client, "/long").await;
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbegun";
    let (mut upstream, _) = backend.answer(begun).await;
    client.until("begun").await;
    drop(client);
    assert_eq!(upstream.end().await, "");
}

/// It goes on by itself: nothing of the answer is left that would be asked for.
#[tokio::test]
async fn upload_goes_on_after_its_answer() {
    let backend = Backend::bind().await;
    let front = Front::before(&backend);
    let mut client = front.connect().await;
    let begun = "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbegun";
    client.send(begun).await;
    let mut upstream = backend.accept().await;
    upstream.until("begun").await;
    upstream.send(OK).await;
    client.until("ok").await;
    client.send("last").await;
    upstream.until("last").await;
    again(&mut client, &mut upstream).await;
}

/// Who uploads may not read what is answered meanwhile.
#[tokio::test]
async fn upload_goes_on_while_nobody_reads_its_answer() {
    const MANY: usize = 32 << 20;
    let backend = Backend::bind().await;
    let front = Front::before(&backend);
    let mut client = front.connect().await;
    let begun = format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {MANY}\r\n\r\n");
    client.send(&begun).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {MANY}\r\n\r\n");
    upstream.send(&head).await;
    let (mut hears, mut says) = upstream.into_stream().into_split();
    let answering = tokio::spawn(async move { says.write_all(&vec![b'x'; MANY]).await });
    let hearing = tokio::spawn(async move {
        let mut body = (&mut hears).take(MANY as u64);
        copy(&mut body, &mut sink()).await
    });
    let sent = timeout(PATIENCE, client.send_bytes(&vec![b'x'; MANY])).await;
    sent.expect("the upload goes on");
    assert_eq!(hearing.await.unwrap().unwrap(), MANY as u64);
    assert!(!answering.is_finished(), "so little fits in between");
}
