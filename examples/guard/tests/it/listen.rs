//! The address that the guard listens on, and the number of its connections and requests.

use std::time::Duration;

use gabion_testkit::{Http2Client, RawServer};
use http::Method;
use tokio::time::timeout;

use crate::support::Guard;

#[tokio::test]
async fn second_guard_on_an_address_is_refused_unless_it_shares_the_port() {
    let first = Guard::start(&[]).await;
    let addr = first.addr().to_string();

    let mut second = Guard::spawn(&addr, &[]);
    assert!(!second.wait_for_exit().await.success());
    let in_use = format!("cannot listen on {addr}: Address already in use");
    second.logged([&in_use, "--share-port"]).await;

    let sharing = Guard::start_on(&addr, &["--share-port"]).await;
    assert_eq!(sharing.addr(), first.addr());
    assert_eq!(first.status("/").await, 200);
}

const DESCRIPTORS: u32 = 256;

#[tokio::test]
async fn idle_connections_do_not_keep_others_out() {
    // The demo's policy trusts loopback as a proxy, whose connections are never ended.
    let upstream = RawServer::bind().await;
    let guard = Guard::start_with_descriptors(DESCRIPTORS, &["--upstream", &upstream.url()]).await;
    tokio::spawn(async move {
        loop {
            drop(
                upstream
                    .answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .await,
            );
        }
    });
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(guard.connect().await);
    }
    // A connection that is not admitted is closed unread, and an idle one makes room for the next.
    let served = async {
        loop {
            if let Some(response) = guard.connect().await.get("/", "").await {
                return response.status.as_u16();
            }
        }
    };
    assert_eq!(timeout(Duration::from_secs(5), served).await, Ok(200));
}

#[tokio::test]
async fn every_request_that_is_admitted_has_a_descriptor_for_the_upstream() {
    let upstream = RawServer::bind().await;
    let guard = Guard::start_with_descriptors(DESCRIPTORS, &["--upstream", &upstream.url()]).await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = guard.connect().await;
        client
            .send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await;
        clients.push(client);
    }
    let mut requests = Vec::new();
    while let Ok(request) = timeout(Duration::from_millis(500), upstream.accept()).await {
        requests.push(request);
    }
    for request in &mut requests {
        request.head().await;
        request
            .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
    }
    let mut served = 0;
    for mut client in clients {
        let response = client.response("GET").await;
        // Others are closed, or end before their request was read, to make room.
        let status = response.map(|response| response.status.as_u16());
        assert!(
            matches!(status, None | Some(200)),
            "{status:?}\n{}",
            guard.log()
        );
        served += usize::from(status.is_some());
    }
    assert_eq!(served, requests.len());
    assert!(served >= 80, "{served}");
}

#[tokio::test]
async fn streams_of_one_connection_leave_descriptors_for_others() {
    let upstream = RawServer::bind().await;
    let args = ["--h2", "--upstream", &upstream.url()];
    let guard = Guard::start_with_descriptors(DESCRIPTORS, &args).await;
    let mut requests = Vec::new();
    for _ in 0..3 {
        let client = Http2Client::connect(guard.addr()).await;
        for _ in 0..100 {
            let mut client = client.clone();
            let send = async move { client.send(Method::GET, "/", &[]).await.status().as_u16() };
            requests.push(tokio::spawn(send));
        }
    }
    let mut in_progress = Vec::new();
    while let Ok(request) = timeout(Duration::from_millis(500), upstream.accept()).await {
        in_progress.push(request);
    }
    for request in &mut in_progress {
        request.head().await;
        let response = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        request.send(response).await;
    }
    let mut statuses = std::collections::BTreeMap::<_, usize>::new();
    for request in requests {
        *statuses.entry(request.await.unwrap()).or_default() += 1;
    }
    assert_eq!(
        statuses.into_iter().collect::<Vec<_>>(),
        [(200, in_progress.len()), (503, 300 - in_progress.len())],
        "{}",
        guard.log()
    );
    assert!(in_progress.len() >= 80, "{}", in_progress.len());
}
