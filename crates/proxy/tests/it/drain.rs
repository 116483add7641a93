//! Draining of an accept loop.

use gabion_testkit::{RawConnection, RawServer};
use std::{num::NonZeroUsize, time::Duration};

use gabion_proxy::{Drained, Proxy, ProxyOptions, ServeOptions, Upstream, Workers, workers};
use tokio::time::{sleep, timeout};

use crate::{
    support::{Setup, proxy_before},
    websocket,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn drain_waits_for_a_request_in_progress() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let addr = front.addr();
    let mut client = front.connect().await;
    client.send(GET).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    let mut drained = front.stop(LONG);
    assert!(
        timeout(SHORT, &mut drained).await.is_err(),
        "the drain did not wait"
    );
    assert!(
        tokio::net::TcpStream::connect(addr).await.is_err(),
        "still accepting"
    );
    upstream.send(OK).await;
    client.until("ok").await;
    assert_eq!(client.end().await, "", "the connection was kept alive");
    assert_eq!(
        timeout(LONG / 10, drained).await.unwrap().unwrap(),
        Drained::default()
    );
}

#[tokio::test]
async fn idle_connections_do_not_delay_a_drain() {
    let backend = RawServer::bind().await;
    for setup in [Setup::default(), Setup::with_http2()] {
        let front = setup.before(&backend.url());
        let mut silent = front.connect().await;
        let mut idle = front.connect().await;
        idle.send(GET).await;
        backend.answer(OK).await;
        idle.until("ok").await;
        let drained = front.stop(LONG);
        assert_eq!(
            timeout(LONG / 10, drained).await.unwrap().unwrap(),
            Drained::default()
        );
        assert_eq!(silent.end().await, "");
        assert_eq!(idle.end().await, "");
    }
}

#[tokio::test]
async fn request_on_an_idle_connection_is_answered_in_a_drain_and_is_the_last() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut silent = front.connect().await;
    let mut idle = front.connect().await;
    idle.send(GET).await;
    backend.answer(OK).await;
    idle.until("ok").await;
    let drained = front.stop(LONG);
    sleep(SHORT).await;
    for client in [&mut idle, &mut silent] {
        client.send(GET).await;
        drop(backend.answer(OK).await);
        let response = client.until("ok").await;
        assert!(response.contains("connection: close\r\n"), "{response}");
        assert_eq!(client.end().await, "");
    }
    let ended = timeout(LONG / 10, drained).await.unwrap().unwrap();
    assert_eq!(ended, Drained::default());
}

#[tokio::test]
async fn connections_beyond_the_grace_period_are_closed_and_counted() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let (mut socket, mut upstream_socket) = websocket::open(&backend, &front).await;
    let mut client = front.connect().await;
    client.send(GET).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    let mut idle = front.connect().await;
    // It is accepted meanwhile.
    sleep(SHORT).await;
    let drained = front.stop(SHORT).await.unwrap();
    assert_eq!((drained.connections, drained.tunnels), (1, 1));
    for end in [
        &mut idle,
        &mut socket,
        &mut upstream_socket,
        &mut client,
        &mut upstream,
    ] {
        assert_eq!(end.end().await, "");
    }
}

#[tokio::test]
async fn tunnel_that_ends_within_the_grace_period_is_not_counted() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let (mut client, mut upstream) = websocket::open(&backend, &front).await;
    let drained = front.stop(LONG);
    sleep(SHORT).await;
    client.send("still here").await;
    upstream.until("still here").await;
    drop((client, upstream));
    assert_eq!(
        timeout(LONG / 10, drained).await.unwrap().unwrap(),
        Drained::default()
    );
}

#[tokio::test]
async fn silent_connection_times_out() {
    for setup in [Setup::default(), Setup::with_http2()] {
        let setup = Setup {
            serve: setup.serve.with_header_timeout(SHORT),
            ..setup
        };
        let front = setup.before("http://127.0.0.1:1");
        let mut silent = front.connect().await;
        assert_eq!(silent.end().await, "");
        let mut slow = front.connect().await;
        slow.send("GET / HTTP/1.1\r\nHo").await;
        assert_eq!(slow.end().await, "");
    }
}

fn two_workers(backend: &RawServer) -> Workers {
    let upstream: Upstream = backend.url().parse().unwrap();
    workers(
        NonZeroUsize::new(2).unwrap(),
        "127.0.0.1:0".parse().unwrap(),
        &ServeOptions::default(),
        move |tunnels| Proxy::new(upstream.clone(), &ProxyOptions::default(), tunnels.clone()),
    )
    .unwrap()
}

#[tokio::test]
async fn dropping_workers_closes_their_connections() {
    let backend = RawServer::bind().await;
    let workers = two_workers(&backend);
    let mut client = RawConnection::connect(workers.local_addr()).await;
    client.send(GET).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    drop(workers);
    assert_eq!(client.end().await, "");
}

#[tokio::test]
async fn workers_share_a_port_and_end_together() {
    let backend = RawServer::bind().await;
    let workers = two_workers(&backend);
    for _ in 0..8 {
        let mut client = RawConnection::connect(workers.local_addr()).await;
        client
            .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        drop(
            backend
                .answer("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok")
                .await,
        );
        client.until("ok").await;
    }
    let mut client = RawConnection::connect(workers.local_addr()).await;
    client.send(GET).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    let addr = workers.local_addr();
    let ended = tokio::task::spawn_blocking(move || workers.shutdown(LONG));
    sleep(SHORT).await;
    assert!(
        tokio::net::TcpStream::connect(addr).await.is_err(),
        "still accepting"
    );
    upstream.send(OK).await;
    client.until("ok").await;
    assert_eq!(
        timeout(LONG / 10, ended).await.unwrap().unwrap(),
        Drained::default()
    );
}
