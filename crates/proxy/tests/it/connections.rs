//! Connections whose peer is refused by now: they end, and the others stay.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use gabion_core::{
    ChangeListener as _, ClientRules, Denial, Facts, Inspect, Now, RequestState, Snapshot, Verdict,
};
use gabion_proxy::{Connections, ServeOptions};
use http::Request;
use tokio::time::{sleep, timeout};

use crate::{
    http2::empty,
    support::{Backend, Front, Setup, Wire},
    websocket,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const HITS: &str = "127.0.0.2";
const OTHER: &str = "127.0.0.3";
const SECOND: Duration = Duration::from_secs(1);

/// Refuses these when they are judged anew, and panics over those that have no address but this.
#[derive(Clone, Default)]
struct Refused(Arc<Mutex<BTreeSet<IpAddr>>>);

impl Refused {
    fn add(&self, addr: &str) {
        self.0.lock().unwrap().insert(addr.parse().unwrap());
    }
}

impl Inspect for Refused {
    fn name(&self) -> &'static str {
        "refused"
    }

    fn inspect(&self, _facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn recheck(&self, facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
        let addr = facts.client.addr();
        assert_ne!(addr.to_string(), "127.0.0.99");
        if self.0.lock().unwrap().contains(&addr) {
            return Denial::forbidden("refused", "by now").into();
        }
        Verdict::Pass
    }
}

fn connections(refused: &Refused, client: ClientRules) -> Connections {
    let policy = Arc::new(Snapshot::new(client, Arc::new(refused.clone())));
    Connections::new(policy, || Now::new(SECOND, SystemTime::UNIX_EPOCH))
}

fn before(backend: &Backend, connections: &Arc<Connections>, setup: Setup) -> Front {
    let serve = setup.serve.with_connections(Arc::clone(connections));
    Setup { serve, ..setup }.before(&backend.url())
}

/// A connection that is kept after one request.
async fn kept(front: &Front, backend: &Backend, from: &str) -> Wire {
    let mut client = Wire::connect_from(from, front.addr).await;
    client.send(GET).await;
    drop(backend.answer(OK).await);
    client.until("ok").await;
    client
}

async fn still_serves(client: &mut Wire, backend: &Backend) {
    client.send(GET).await;
    drop(backend.answer(OK).await);
    client.until("ok").await;
}

async fn ends_at_once(client: &mut Wire) {
    let rest = timeout(SECOND, client.end())
        .await
        .expect("still open after a second");
    assert_eq!(rest, "");
}

#[tokio::test]
async fn idle_connections_of_a_banned_client_end_and_others_stay() {
    for setup in [Setup::default(), Setup::with_http2()] {
        let refused = Refused::default();
        let connections = Arc::new(connections(&refused, ClientRules::default()));
        let backend = Backend::bind().await;
        let front = before(&backend, &connections, setup);
        let mut silent = Wire::connect_from(HITS, front.addr).await;
        let mut idle = kept(&front, &backend, HITS).await;
        let mut other = kept(&front, &backend, OTHER).await;
        assert_eq!(connections.len(), 3);
        refused.add(HITS);
        connections.on_ban(HITS.parse::<IpAddr>().unwrap().into());
        ends_at_once(&mut idle).await;
        ends_at_once(&mut silent).await;
        still_serves(&mut other, &backend).await;
        assert_eq!(connections.len(), 1);
    }
}

#[tokio::test]
async fn idle_connection_over_http2_ends_too() {
    let refused = Refused::default();
    let connections = Arc::new(connections(&refused, ClientRules::default()));
    let backend = Backend::bind().await;
    let front = before(&backend, &connections, Setup::with_http2());
    let wire = Wire::connect_from(HITS, front.addr).await;
    let mut client = Front::speak_http2(wire).await;
    let get = Request::get("http://a/").body(empty()).unwrap();
    let (answer, _) = tokio::join!(client.send_request(get), backend.answer(OK));
    drop(answer.unwrap());
    refused.add(HITS);
    connections.on_ban(HITS.parse::<IpAddr>().unwrap().into());
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
async fn answer_under_way_is_finished() {
    let refused = Refused::default();
    let connections = Arc::new(connections(&refused, ClientRules::default()));
    let backend = Backend::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let mut client = Wire::connect_from(HITS, front.addr).await;
    client.send(GET).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    refused.add(HITS);
    connections.on_ban(HITS.parse::<IpAddr>().unwrap().into());
    sleep(SECOND / 2).await;
    upstream.send(OK).await;
    assert!(client.end().await.ends_with("\r\n\r\nok"));
}

#[tokio::test]
async fn answer_without_end_is_cut() {
    let refused = Refused::default();
    let connections = Arc::new(connections(&refused, ClientRules::default()));
    let backend = Backend::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let stream = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n";
    let mut clients = Vec::new();
    for from in [HITS, OTHER] {
        let mut client = Wire::connect_from(from, front.addr).await;
        client.send(GET).await;
        let (upstream, _) = backend.answer(stream).await;
        client.until("hi\r\n").await;
        clients.push((client, upstream));
    }
    refused.add(HITS);
    connections.on_ban(HITS.parse::<IpAddr>().unwrap().into());
    let [(hit, _), (other, others_upstream)] = &mut clients[..] else {
        unreachable!("there are two");
    };
    hit.quiet(Connections::LINGER / 2).await;
    assert_eq!(hit.end().await, "");
    others_upstream.send("2\r\nho\r\n").await;
    other.until("ho\r\n").await;
}

#[tokio::test]
async fn peers_that_are_not_refused_stay() {
    let refused = Refused::default();
    let trusted = ClientRules::default().with_trusted([OTHER.parse::<IpAddr>().unwrap().into()]);
    let connections = Arc::new(connections(&refused, trusted.unwrap()));
    let backend = Backend::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let mut allowed = kept(&front, &backend, "127.0.0.4").await;
    let mut balancer = kept(&front, &backend, OTHER).await;
    // Over one, an inspector panics.
    let mut odd = kept(&front, &backend, "127.0.0.99").await;
    let mut hit = kept(&front, &backend, HITS).await;
    refused.add(HITS);
    refused.add(OTHER);
    connections.on_ban("127.0.0.0/24".parse().unwrap());
    ends_at_once(&mut hit).await;
    for stays in [&mut allowed, &mut balancer, &mut odd] {
        still_serves(stays, &backend).await;
    }
}

#[tokio::test]
async fn other_policy_ends_those_that_it_refuses() {
    let refused = Refused::default();
    let connections = Arc::new(connections(&refused, ClientRules::default()));
    let backend = Backend::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let mut hit = kept(&front, &backend, HITS).await;
    let mut other = kept(&front, &backend, OTHER).await;
    connections.on_policy_replaced();
    still_serves(&mut hit, &backend).await;
    refused.add(HITS);
    connections.on_policy_replaced();
    ends_at_once(&mut hit).await;
    still_serves(&mut other, &backend).await;
}

#[tokio::test]
async fn no_more_connections_are_known_than_there_is_room_for() {
    let refused = Refused::default();
    let connections = connections(&refused, ClientRules::default()).with_capacity(1);
    let connections = Arc::new(connections);
    let backend = Backend::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let mut first = kept(&front, &backend, HITS).await;
    let mut second = kept(&front, &backend, HITS).await;
    assert_eq!(connections.len(), 1);
    refused.add(HITS);
    connections.on_policy_replaced();
    ends_at_once(&mut first).await;
    still_serves(&mut second, &backend).await;
    let mut third = kept(&front, &backend, HITS).await;
    connections.on_policy_replaced();
    ends_at_once(&mut third).await;
}

#[tokio::test]
async fn socket_that_left_http_is_left_to_others() {
    let refused = Refused::default();
    let connections = Arc::new(connections(&refused, ClientRules::default()));
    let backend = Backend::bind().await;
    let front = before(&backend, &connections, Setup::default());
    let (mut client, mut upstream) = websocket::open(&backend, &front).await;
    refused.add("127.0.0.1");
    connections.on_policy_replaced();
    client.quiet(SECOND / 4).await;
    client.send("still here").await;
    upstream.until("still here").await;
    assert!(connections.is_empty());
}

#[test]
fn options_without_connections_know_none() {
    let options = format!("{:?}", ServeOptions::default());
    assert!(options.contains("connections: None"), "{options}");
}
