//! Closing of connections whose peer the policy denies.

use gabion_testkit::{ProxyServer, RawConnection, RawServer, Recorder, eventually, http2_sender};
use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use gabion_core::{
    ChangeListener as _, ClientIp, ClientRules, Denial, Facts, Inspect, Now, PathViews,
    RequestState, Snapshot, Verdict,
};
use gabion_proxy::{Capacity, Connections, ServeOptions};
use http::Request;
use tokio::time::{sleep, timeout};

use crate::{http2::empty, support::Setup, websocket};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
pub(crate) const DENIED: &str = "127.0.0.2";
pub(crate) const OTHER: &str = "127.0.0.3";
const SECOND: Duration = Duration::from_secs(1);

/// Denies these addresses on recheck, and panics for 127.0.0.99.
#[derive(Clone, Default)]
pub(crate) struct DenyOnRecheck(Arc<Mutex<BTreeSet<IpAddr>>>);

impl DenyOnRecheck {
    pub(crate) fn add(&self, addr: &str) {
        self.0.lock().unwrap().insert(addr.parse().unwrap());
    }
}

impl Inspect for DenyOnRecheck {
    fn name(&self) -> &'static str {
        "deny-on-recheck"
    }

    fn inspect(&self, _facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn recheck(&self, client: &ClientIp, _path: &PathViews<'_>, _now: Now) -> Verdict {
        let addr = client.addr();
        assert_ne!(addr.to_string(), "127.0.0.99");
        if self.0.lock().unwrap().contains(&addr) {
            return Denial::forbidden("deny-on-recheck", "test").into();
        }
        Verdict::Pass
    }
}

pub(crate) fn connections(deny_list: &DenyOnRecheck, client: ClientRules) -> Connections {
    let policy = Arc::new(Snapshot::new(client, Arc::new(deny_list.clone())));
    Connections::new(policy, || Now::new(SECOND, SystemTime::UNIX_EPOCH))
}

fn total(connections: usize) -> Capacity {
    Capacity::default().with_total(connections)
}

fn before(backend: &RawServer, connections: &Arc<Connections>, setup: Setup) -> ProxyServer {
    let serve = setup.serve.with_connections(Arc::clone(connections));
    Setup { serve, ..setup }.before(&backend.url())
}

/// Opens a connection and exchanges one request.
async fn open_connection(front: &ProxyServer, backend: &RawServer, from: &str) -> RawConnection {
    let mut client = RawConnection::connect_from(from, front.addr()).await;
    client.send(GET).await;
    drop(backend.answer(OK).await);
    client.until("ok").await;
    client
}

async fn assert_still_served(client: &mut RawConnection, backend: &RawServer) {
    client.send(GET).await;
    drop(backend.answer(OK).await);
    client.until("ok").await;
}

async fn assert_closed_at_once(client: &mut RawConnection) {
    let rest = timeout(SECOND, client.end())
        .await
        .expect("still open after a second");
    assert_eq!(rest, "");
}

#[tokio::test]
async fn idle_connections_of_a_banned_client_are_closed() {
    for setup in [Setup::default(), Setup::with_http2()] {
        let deny_list = DenyOnRecheck::default();
        let connections = Arc::new(connections(&deny_list, ClientRules::default()));
        let backend = RawServer::bind().await;
        let front = before(&backend, &connections, setup);
        let mut silent = RawConnection::connect_from(DENIED, front.addr()).await;
        let mut idle = open_connection(&front, &backend, DENIED).await;
        let mut other = open_connection(&front, &backend, OTHER).await;
        assert_eq!(connections.len(), 3);
        deny_list.add(DENIED);
        connections.on_ban(DENIED.parse::<IpAddr>().unwrap().into());
        assert_closed_at_once(&mut idle).await;
        assert_closed_at_once(&mut silent).await;
        assert_still_served(&mut other, &backend).await;
        assert_eq!(connections.len(), 1);
    }
}

#[tokio::test]
async fn idle_http2_connection_is_closed() {
    let deny_list = DenyOnRecheck::default();
    let connections = Arc::new(connections(&deny_list, ClientRules::default()));
    let backend = RawServer::bind().await;
    let front = before(&backend, &connections, Setup::with_http2());
    let wire = RawConnection::connect_from(DENIED, front.addr()).await;
    let mut client = http2_sender(wire.into_stream()).await;
    let get = Request::get("http://a/").body(empty()).unwrap();
    let (answer, _) = tokio::join!(client.send_request(get), backend.answer(OK));
    drop(answer.unwrap());
    deny_list.add(DENIED);
    connections.on_ban(DENIED.parse::<IpAddr>().unwrap().into());
    let closed = async {
        while !client.is_closed() {
            sleep(SECOND / 100).await;
        }
    };
    timeout(SECOND, closed)
        .await
        .expect("still open after a second");
}

#[tokio::test]
async fn response_in_progress_is_finished() {
    let deny_list = DenyOnRecheck::default();
    let connections = Arc::new(connections(&deny_list, ClientRules::default()));
    let backend = RawServer::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let mut client = RawConnection::connect_from(DENIED, front.addr()).await;
    client.send(GET).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    deny_list.add(DENIED);
    connections.on_ban(DENIED.parse::<IpAddr>().unwrap().into());
    sleep(SECOND / 2).await;
    upstream.send(OK).await;
    assert!(client.end().await.ends_with("\r\n\r\nok"));
}

#[tokio::test]
async fn endless_response_is_cut() {
    let deny_list = DenyOnRecheck::default();
    let connections = Arc::new(connections(&deny_list, ClientRules::default()));
    let backend = RawServer::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let stream = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n";
    let mut clients = Vec::new();
    for from in [DENIED, OTHER] {
        let mut client = RawConnection::connect_from(from, front.addr()).await;
        client.send(GET).await;
        let (upstream, _) = backend.answer(stream).await;
        client.until("hi\r\n").await;
        clients.push((client, upstream));
    }
    deny_list.add(DENIED);
    connections.on_ban(DENIED.parse::<IpAddr>().unwrap().into());
    let [(denied, _), (other, others_upstream)] = &mut clients[..] else {
        unreachable!("there are two");
    };
    denied.quiet(Connections::LINGER / 2).await;
    assert_eq!(denied.end().await, "");
    others_upstream.send("2\r\nho\r\n").await;
    other.until("ho\r\n").await;
}

#[tokio::test]
async fn allowed_trusted_and_failing_peers_stay() {
    let deny_list = DenyOnRecheck::default();
    let trusted = ClientRules::default().with_trusted([OTHER.parse::<IpAddr>().unwrap().into()]);
    let connections = Arc::new(connections(&deny_list, trusted.unwrap()));
    let backend = RawServer::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let mut allowed = open_connection(&front, &backend, "127.0.0.4").await;
    let mut balancer = open_connection(&front, &backend, OTHER).await;
    // The recheck panics for this one.
    let mut odd = open_connection(&front, &backend, "127.0.0.99").await;
    let mut denied = open_connection(&front, &backend, DENIED).await;
    deny_list.add(DENIED);
    deny_list.add(OTHER);
    connections.on_ban("127.0.0.0/24".parse().unwrap());
    assert_closed_at_once(&mut denied).await;
    for stays in [&mut allowed, &mut balancer, &mut odd] {
        assert_still_served(stays, &backend).await;
    }
}

#[tokio::test]
async fn policy_change_closes_denied_peers() {
    let deny_list = DenyOnRecheck::default();
    let connections = Arc::new(connections(&deny_list, ClientRules::default()));
    let backend = RawServer::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let mut denied = open_connection(&front, &backend, DENIED).await;
    let mut other = open_connection(&front, &backend, OTHER).await;
    connections.on_policy_replaced();
    assert_still_served(&mut denied, &backend).await;
    deny_list.add(DENIED);
    connections.on_policy_replaced();
    assert_closed_at_once(&mut denied).await;
    assert_still_served(&mut other, &backend).await;
}

#[tokio::test]
async fn connection_beyond_the_capacity_is_refused_and_the_oldest_makes_room() {
    let connections = connections(&DenyOnRecheck::default(), ClientRules::default());
    let connections = Arc::new(connections.with_capacity(total(2)));
    let backend = RawServer::bind().await;
    let events = Arc::<Recorder>::default();
    let serve = ServeOptions::default().with_sink(events.clone());
    let setup = Setup {
        serve,
        ..Setup::default()
    };
    let front = before(&backend, &connections, setup);
    let mut oldest = open_connection(&front, &backend, DENIED).await;
    let mut busy = RawConnection::connect_from(OTHER, front.addr()).await;
    busy.send(GET).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    let mut refused = RawConnection::connect_from(OTHER, front.addr()).await;
    assert_closed_at_once(&mut refused).await;
    assert_closed_at_once(&mut oldest).await;
    let _idle = open_connection(&front, &backend, OTHER).await;
    let mut refused = RawConnection::connect_from(OTHER, front.addr()).await;
    assert_closed_at_once(&mut refused).await;
    let refused = format!("connection of {OTHER} refused: too many connections are open");
    assert_eq!(events.take_texts(), [refused.clone(), refused]);
    // The oldest is that with a request in progress.
    upstream.send(OK).await;
    busy.until("ok").await;
}

#[tokio::test]
async fn connection_of_a_trusted_proxy_makes_no_room() {
    let trusting = ClientRules::default().with_trusted([format!("{DENIED}/32").parse().unwrap()]);
    let connections =
        connections(&DenyOnRecheck::default(), trusting.unwrap()).with_capacity(total(2));
    let connections = Arc::new(connections);
    let backend = RawServer::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let mut proxy = open_connection(&front, &backend, DENIED).await;
    let mut client = open_connection(&front, &backend, OTHER).await;
    let mut refused = RawConnection::connect_from(OTHER, front.addr()).await;
    assert_closed_at_once(&mut refused).await;
    assert_closed_at_once(&mut client).await;
    assert_still_served(&mut proxy, &backend).await;
}

#[tokio::test]
async fn slow_head_makes_room_within_the_linger_time_and_a_download_does_not_end() {
    let connections = connections(&DenyOnRecheck::default(), ClientRules::default());
    let connections = Arc::new(connections.with_capacity(total(1)));
    let backend = RawServer::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let mut slow = RawConnection::connect_from(DENIED, front.addr()).await;
    slow.send("GET / HTT").await;
    assert!(
        eventually(|| (connections.len() == 1).then_some(()))
            .await
            .is_some()
    );
    let mut refused = RawConnection::connect_from(OTHER, front.addr()).await;
    assert_closed_at_once(&mut refused).await;
    let closed = timeout(Connections::LINGER + SECOND, slow.end()).await;
    assert!(closed.is_ok(), "it keeps others out");

    let mut download = RawConnection::connect_from(OTHER, front.addr()).await;
    download.send(GET).await;
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst";
    let (mut upstream, _) = backend.answer(begun).await;
    download.until("first").await;
    let mut refused = RawConnection::connect_from(OTHER, front.addr()).await;
    assert_closed_at_once(&mut refused).await;
    sleep(Connections::LINGER + SECOND).await;
    upstream.send("later").await;
    download.until("later").await;
}

#[tokio::test]
async fn refused_connections_end_no_more_than_they_need() {
    let connections = connections(&DenyOnRecheck::default(), ClientRules::default());
    let connections = Arc::new(connections.with_capacity(total(4)));
    let backend = RawServer::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut client = RawConnection::connect_from(OTHER, front.addr()).await;
        client.send(GET).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        busy.push((client, upstream));
    }
    for _ in 0..8 {
        let mut refused = RawConnection::connect_from(OTHER, front.addr()).await;
        assert_closed_at_once(&mut refused).await;
    }
    let mut ended = 0;
    for (client, upstream) in &mut busy {
        upstream.send(OK).await;
        ended += usize::from(client.until("ok").await.contains("connection: close"));
    }
    assert_eq!(ended, 1, "the first is still on its way out");
}

#[tokio::test]
async fn upgraded_connection_counts_until_it_ends() {
    let connections = connections(&DenyOnRecheck::default(), ClientRules::default());
    let connections = Arc::new(connections.with_capacity(total(1)));
    let backend = RawServer::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let tunnel = websocket::open(&backend, &front).await;
    assert_eq!(connections.len(), 1);
    let mut refused = RawConnection::connect_from(OTHER, front.addr()).await;
    assert_closed_at_once(&mut refused).await;
    drop(tunnel);
    assert!(
        eventually(|| connections.is_empty().then_some(()))
            .await
            .is_some()
    );
    open_connection(&front, &backend, OTHER).await;
}

#[tokio::test]
async fn upgraded_connection_is_not_closed() {
    let deny_list = DenyOnRecheck::default();
    let connections = Arc::new(connections(&deny_list, ClientRules::default()));
    let backend = RawServer::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let (mut client, mut upstream) = websocket::open(&backend, &front).await;
    deny_list.add("127.0.0.1");
    connections.on_policy_replaced();
    client.quiet(SECOND / 4).await;
    client.send("still here").await;
    upstream.until("still here").await;
    assert_eq!(connections.len(), 1);
}

#[test]
fn registry_is_unset_by_default() {
    let options = format!("{:?}", ServeOptions::default());
    assert!(options.contains("connections: None"), "{options}");
}
