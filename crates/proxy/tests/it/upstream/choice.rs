//! The choice of an upstream, and of another one after a failure.

use std::{
    collections::BTreeMap,
    num::{NonZeroU16, NonZeroUsize},
    time::Duration,
};

use gabion_proxy::{Balance, Ejection, RetryBudget, Upstream, UpstreamGroup, UpstreamOptions};
use gabion_testkit::{ProxyServer, RawServer};
use tokio::time::sleep;

use super::{closed_port, get, get_from, named_server};
use crate::support::{Setup, group};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The number of responses by each server.
async fn counts(front: &ProxyServer, requests: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        let body = get(front).await;
        *counts
            .entry(body.rsplit(' ').next().unwrap().to_owned())
            .or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn turns_follow_the_weights() {
    let (one, other) = (named_server("one").await, named_server("other").await);
    let upstreams = [(one.url(), 3), (other.url(), 1)].map(|(url, weight)| {
        let upstream: Upstream = url.parse().unwrap();
        upstream.with_weight(NonZeroU16::new(weight).unwrap())
    });
    let options = UpstreamOptions::default().with_balance(Balance::RoundRobin);
    let group = UpstreamGroup::new(upstreams, &options).unwrap();
    let counts = counts(&Setup::default().before_group(group), 12).await;
    assert_eq!((counts["one"], counts["other"]), (9, 3));
}

#[tokio::test]
async fn idle_upstream_is_preferred_to_a_busy_one() {
    let busy = RawServer::bind().await;
    let idle = named_server("idle").await;
    let front = Setup::default().before_group(group(
        &[&busy.url(), &idle.url()],
        &UpstreamOptions::default(),
    ));
    // Of two, both are always compared: once the silent one has a request, the other one gets all.
    let mut waiting = Vec::new();
    let upstream = loop {
        let mut client = front.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        waiting.push(client);
        if let Ok(upstream) = tokio::time::timeout(Duration::from_millis(100), busy.accept()).await
        {
            break upstream;
        }
    };
    assert_eq!(counts(&front, 20).await["idle"], 20);
    drop(upstream);
}

#[tokio::test]
async fn client_stays_at_its_upstream_while_it_is_there() {
    let servers = [
        named_server("a").await,
        named_server("b").await,
        named_server("c").await,
    ];
    let urls: Vec<String> = servers
        .iter()
        .map(gabion_testkit::LoopbackServer::url)
        .collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let options = UpstreamOptions::default().with_balance(Balance::Sticky);
    let front = Setup::default().before_group(group(&urls, &options));
    let again = Setup::default().before_group(group(&urls, &options));
    let mut homes = BTreeMap::new();
    for host in 1..=30 {
        let from = format!("127.0.1.{host}");
        let home = get_from(&from, &front).await.text();
        for front in [&front, &again] {
            assert_eq!(get_from(&from, front).await.text(), home, "{from}");
        }
        homes.insert(from, home);
    }
    let used: std::collections::BTreeSet<_> = homes.values().collect();
    assert_eq!(used.len(), 3, "clients are spread");

    // Without one server, only its clients move.
    let [_a, _b, c] = servers;
    let gone = get_from("127.0.1.1", &front).await.text();
    drop(c);
    for (from, home) in &homes {
        let now = get_from(from, &front).await;
        assert_eq!(now.status, 200);
        if home.ends_with(" c") {
            assert_ne!(&now.text(), home);
        } else {
            assert_eq!(&now.text(), home, "{from}");
        }
    }
    drop(gone);
}

/// A request that found no connection was not sent.
#[tokio::test]
async fn every_request_moves_on_from_a_refused_connection() {
    let there = named_server("there").await;
    let closed = format!("http://{}", closed_port().await);
    // Without ejection, the closed one is tried again and again.
    let budget = RetryBudget::default().with_percent(0).with_per_second(0);
    let options = UpstreamOptions::default()
        .with_ejection(None)
        .with_retry_budget(budget);
    let front = Setup::default().before_group(group(&[&closed, &there.url()], &options));
    for _ in 0..20 {
        let mut client = front.connect().await;
        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
            .await;
        client.until("there").await;
    }
}

/// A group of two raw servers in turns, the first one first.
async fn two_raw(options: UpstreamOptions) -> (RawServer, RawServer, ProxyServer) {
    let (one, other) = (RawServer::bind().await, RawServer::bind().await);
    let options = options.with_balance(Balance::RoundRobin);
    let front = Setup::default().before_group(group(&[&one.url(), &other.url()], &options));
    (one, other, front)
}

#[tokio::test]
async fn safe_request_moves_on_from_a_lost_connection_once() {
    let (one, other, front) = two_raw(UpstreamOptions::default()).await;
    let mut client = front.connect().await;
    client
        .send("GET /a HTTP/1.1\r\nHost: a\r\nX-B: c\r\n\r\n")
        .await;
    let mut lost = one.accept().await;
    lost.head().await;
    drop(lost);
    let (upstream, head) = other.answer(OK).await;
    assert!(
        head.starts_with("GET /a ") && head.contains("x-b: c\r\n"),
        "{head}"
    );
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    drop(upstream);

    let (one, other, front) = two_raw(UpstreamOptions::default()).await;
    let mut client = front.connect().await;
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    drop(one.answer("").await);
    drop(other.answer("").await);
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
    let third = tokio::time::timeout(Duration::from_millis(200), one.accept()).await;
    assert!(third.is_err(), "it was sent a third time");
}

#[tokio::test]
async fn unsafe_request_and_begun_response_are_not_sent_again() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (request, response) in [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
            "",
        ),
        ("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
            "",
        ),
        (get, "nonsense\r\n\r\n"),
        (
            get,
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        ),
        (get, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbegun"),
    ] {
        let (one, other, front) = two_raw(UpstreamOptions::default()).await;
        let mut client = front.connect().await;
        client.send(request).await;
        let (lost, _) = one.answer(response).await;
        if response.contains("begun") {
            client.until("begun").await;
            drop(lost);
        } else {
            drop(lost);
            let head = client.head().await;
            assert!(head.starts_with("HTTP/1.1 50"), "{request} {head}");
        }
        let second = tokio::time::timeout(Duration::from_millis(100), other.accept()).await;
        assert!(second.is_err(), "{request} {response}");
    }
}

#[tokio::test]
async fn retries_end_with_their_budget() {
    // 10 of the floor for its window, and then 10 % of the requests.
    let budget = RetryBudget::default().with_percent(0).with_per_second(1);
    let options = UpstreamOptions::default()
        .with_retry_budget(budget)
        .with_ejection(None);
    let (one, other, front) = two_raw(options).await;
    let refusing = tokio::spawn(async move {
        loop {
            drop(one.answer("").await);
        }
    });
    let answering = tokio::spawn(async move {
        loop {
            let close = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            drop(other.answer(close).await);
        }
    });
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(
            front
                .connect()
                .await
                .get("/", "")
                .await
                .unwrap()
                .status
                .as_u16(),
        );
    }
    let failed = statuses.iter().filter(|&&status| status == 502).count();
    assert!(
        statuses[..12].iter().all(|&status| status == 200),
        "{statuses:?}"
    );
    assert!(failed >= 5, "{statuses:?}");
    refusing.abort();
    answering.abort();
}

#[tokio::test]
async fn upstream_has_at_most_its_number_of_requests() {
    let options = UpstreamOptions::default().with_max_requests(NonZeroUsize::new(1));
    let (one, other, front) = two_raw(options).await;
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let [mut first, mut second] = [front.connect().await, front.connect().await];
    first.send(get).await;
    let mut upstream = one.accept().await;
    upstream.head().await;
    second.send(get).await;
    let _other = other.accept().await;
    let response = front.connect().await.get("/", "").await.unwrap();
    assert_eq!(response.status, 503);
    assert_eq!(response.headers["retry-after"], "1");
    // A request counts until its body has arrived.
    upstream
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
        .await;
    first.head().await;
    assert_eq!(
        front.connect().await.get("/", "").await.unwrap().status,
        503
    );
    upstream.send("ok").await;
    first.until("ok").await;
    sleep(Duration::from_millis(50)).await;
    let mut third = front.connect().await;
    third.send(get).await;
    upstream.head().await;
}

#[tokio::test]
async fn single_upstream_has_its_cap_too() {
    let server = RawServer::bind().await;
    let options = UpstreamOptions::default().with_max_requests(NonZeroUsize::new(1));
    let front = Setup::default().before_group(group(&[&server.url()], &options));
    let mut first = front.connect().await;
    first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let _upstream = server.accept().await;
    let response = front.connect().await.get("/", "").await.unwrap();
    assert_eq!(response.status, 503);
}

#[tokio::test]
async fn failed_upstream_is_ejected_and_returns() {
    let times = (Duration::from_secs(1), Duration::from_secs(2));
    let ejection = Ejection::default()
        .with_failures(3)
        .with_times(times.0, times.1);
    let (one, other, front) = two_raw(UpstreamOptions::default().with_ejection(ejection)).await;
    let failing =
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let answering = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let (one, other) = (
        tokio::spawn(async move {
            loop {
                drop(one.answer(failing).await);
            }
        }),
        tokio::spawn(async move {
            loop {
                drop(other.answer(answering).await);
            }
        }),
    );
    let status = async || {
        front
            .connect()
            .await
            .get("/", "")
            .await
            .unwrap()
            .status
            .as_u16()
    };
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(status().await);
    }
    assert_eq!(
        statuses.iter().filter(|&&status| status == 503).count(),
        3,
        "{statuses:?}"
    );
    // After the time, one failure ejects it again.
    sleep(Duration::from_millis(1100)).await;
    statuses.clear();
    for _ in 0..30 {
        statuses.push(status().await);
    }
    assert_eq!(
        statuses.iter().filter(|&&status| status == 503).count(),
        1,
        "{statuses:?}"
    );
    one.abort();
    other.abort();
}

#[tokio::test]
async fn last_upstream_is_never_ejected() {
    let failing =
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let ejection = Ejection::default().with_failures(1).with_max_percent(100);
    let (one, other, front) = two_raw(UpstreamOptions::default().with_ejection(ejection)).await;
    let answering = [one, other].map(|server| {
        tokio::spawn(async move {
            let mut answered = 0;
            while tokio::time::timeout(Duration::from_millis(500), server.answer(failing))
                .await
                .is_ok()
            {
                answered += 1;
            }
            answered
        })
    });
    for _ in 0..10 {
        let response = front.connect().await.get("/", "").await.unwrap();
        assert_eq!(response.status, 503);
        assert!(
            !response.headers.contains_key("retry-after"),
            "it came from the upstream"
        );
    }
    let [one, other] = answering;
    assert_eq!((one.await.unwrap(), other.await.unwrap()), (1, 9));
}
