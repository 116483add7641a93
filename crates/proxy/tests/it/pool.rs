//! Reuse of upstream connections.

use gabion_testkit::{RawConnection, RawServer};
use std::time::Duration;

use gabion_proxy::ProxyOptions;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy, sink},
    time::{sleep, timeout},
};

use crate::support::{PATIENCE, Setup, proxy_before};

const IDLE: Duration = Duration::from_millis(300);

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn with_short_idle_time() -> Setup {
    Setup {
        proxy: ProxyOptions::default().with_pool_idle(IDLE),
        ..Setup::default()
    }
}

async fn get(client: &mut RawConnection, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send(&request).await;
}

/// Sends a request that must arrive on the kept connection `upstream`.
async fn reuse(client: &mut RawConnection, upstream: &mut RawConnection) {
    get(client, "/again").await;
    let head = upstream.head().await;
    assert!(head.starts_with("GET /again "), "{head}");
    upstream.send(OK).await;
    client.until("ok").await;
}

#[tokio::test]
async fn connection_is_kept_after_every_kind_of_response_end() {
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
        let backend = RawServer::bind().await;
        let front = proxy_before(&backend);
        let mut client = front.connect().await;
        get(&mut client, "/first").await;
        let (mut upstream, _) = backend.answer(answer).await;
        client.until(end).await;
        reuse(&mut client, &mut upstream).await;
    }
}

#[tokio::test]
async fn connection_is_kept_for_the_next_client() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    get(&mut client, "/first").await;
    let (mut upstream, _) = backend.answer(OK).await;
    client.until("ok").await;
    drop(client);
    reuse(&mut front.connect().await, &mut upstream).await;
}

#[tokio::test]
async fn two_concurrent_exchanges_keep_two_connections() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
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
    // The connection that was returned last is taken first.
    reuse(&mut one, &mut second).await;
    get(&mut one, "/again").await;
    second.head().await;
    reuse(&mut other, &mut first).await;
}

#[tokio::test]
async fn idle_connection_is_closed() {
    let backend = RawServer::bind().await;
    let front = with_short_idle_time().before(&backend.url());
    let mut client = front.connect().await;
    get(&mut client, "/first").await;
    let (mut upstream, _) = backend.answer(OK).await;
    client.until("ok").await;
    sleep(IDLE / 3).await;
    reuse(&mut client, &mut upstream).await;
    // The idle time counts from the last use.
    sleep(IDLE * 2 / 3).await;
    reuse(&mut client, &mut upstream).await;
    let closed = timeout(IDLE * 3, upstream.end()).await;
    assert_eq!(closed.unwrap(), "");
    get(&mut client, "/later").await;
    backend.answer(OK).await;
    client.until("ok").await;
}

#[tokio::test]
async fn connection_closed_by_the_upstream_is_not_used() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
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
async fn unfinished_response_closes_its_connection() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    get(&mut client, "/long").await;
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbegun";
    let (mut upstream, _) = backend.answer(begun).await;
    client.until("begun").await;
    drop(client);
    assert_eq!(upstream.end().await, "");
}

/// The upload has to be driven without polls of a response body.
#[tokio::test]
async fn upload_continues_after_its_response() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    let begun = "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbegun";
    client.send(begun).await;
    let mut upstream = backend.accept().await;
    upstream.until("begun").await;
    upstream.send(OK).await;
    client.until("ok").await;
    client.send("last").await;
    upstream.until("last").await;
    reuse(&mut client, &mut upstream).await;
}

/// A client may send its whole request before it reads the response.
#[tokio::test]
async fn upload_continues_while_its_response_is_not_read() {
    const MANY: usize = 32 << 20;
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    let begun = format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {MANY}\r\n\r\n");
    client.send(&begun).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {MANY}\r\n\r\n");
    upstream.send(&head).await;
    let (mut reader, mut writer) = upstream.into_stream().into_split();
    let answering = tokio::spawn(async move { writer.write_all(&vec![b'x'; MANY]).await });
    let receiving = tokio::spawn(async move {
        let mut body = (&mut reader).take(MANY as u64);
        copy(&mut body, &mut sink()).await
    });
    let sent = timeout(PATIENCE, client.send(&vec![b'x'; MANY])).await;
    sent.expect("the upload stalls");
    assert_eq!(receiving.await.unwrap().unwrap(), MANY as u64);
    assert!(
        !answering.is_finished(),
        "the response fits into the buffers"
    );
}
