//! The limits of requests in progress: of all clients, and of each.

use gabion_core::{ClientRules, PeerAddr};
use gabion_proxy::{Capacity, ProxyOptions};
use gabion_testkit::{ProxyServer, RawConnection, RawServer, eventually};
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use tokio::task::JoinHandle;

use crate::{
    http2::{Outgoing, empty},
    support::{Setup, connect_http2},
    websocket,
};

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
const BUSY_CLIENT: &str = "203.0.113.9";
const OTHER: &str = "198.51.100.7";

/// A request that was sent, and its response.
type Sent = JoinHandle<hyper::Result<Response<Incoming>>>;

/// A proxy with these capacities, which a balancer reaches over one HTTP/2 connection.
struct Balanced {
    front: ProxyServer,
    backend: RawServer,
    sender: SendRequest<Outgoing>,
}

impl Balanced {
    async fn start(capacity: Capacity) -> Self {
        let backend = RawServer::bind().await;
        let setup = Setup {
            proxy: ProxyOptions::default().with_capacity(capacity),
            tweak: resolve,
            ..Setup::with_http2()
        };
        let front = setup.before(&backend.url());
        let sender = connect_http2(&front).await;
        Self {
            front,
            backend,
            sender,
        }
    }

    fn send(&mut self, client: &str) -> Sent {
        let request = Request::get(format!("http://{}/", self.front.addr()));
        let request = request.header("client", client).body(empty());
        tokio::spawn(self.sender.send_request(request.unwrap()))
    }

    /// Sends a request and waits until the backend has it.
    async fn begin(&mut self, client: &str) -> (Sent, RawConnection) {
        let response = self.send(client);
        let mut upstream = self.backend.accept().await;
        upstream.head().await;
        (response, upstream)
    }

    async fn finish(&self, (response, mut upstream): (Sent, RawConnection)) {
        upstream.send(OK).await;
        assert_eq!(text(response.await.unwrap().unwrap()).await, "ok");
    }
}

/// Sets the client as a layer in front would.
fn resolve(request: &mut Request<Incoming>) {
    if let Some(client) = request.headers().get("client") {
        let addr = client.to_str().unwrap().parse().unwrap();
        let peer = PeerAddr::new(std::net::SocketAddr::new(addr, 4711));
        let client = ClientRules::default().resolve(peer, request.headers());
        request.extensions_mut().insert(client);
    }
}

async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[track_caller]
fn assert_retried_later(response: &Response<Incoming>, status: StatusCode) {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()[RETRY_AFTER], "1");
}

#[tokio::test]
async fn client_has_its_share_of_requests_in_progress() {
    let mut proxy = Balanced::start(Capacity::default().with_per_client(2)).await;
    let first = proxy.begin(BUSY_CLIENT).await;
    let second = proxy.begin(BUSY_CLIENT).await;
    let refused = proxy.send(BUSY_CLIENT).await.unwrap().unwrap();
    assert_retried_later(&refused, StatusCode::TOO_MANY_REQUESTS);
    let reason = "429 Too Many Requests: the client has too many requests in progress\n";
    assert_eq!(text(refused).await, reason);
    // Others share the connection, not the limit; a private address has none.
    for addr in [OTHER, OTHER, "10.0.0.1", "10.0.0.1", "10.0.0.1"] {
        let other = proxy.begin(addr).await;
        proxy.finish(other).await;
    }
    proxy.finish(first).await;
    let third = proxy.begin(BUSY_CLIENT).await;
    proxy.finish(second).await;
    proxy.finish(third).await;
}

#[tokio::test]
async fn all_clients_have_a_limit_together() {
    let mut proxy = Balanced::start(Capacity::default().with_total(3)).await;
    let first = proxy.begin(BUSY_CLIENT).await;
    let _second = proxy.begin(OTHER).await;
    let refused = proxy.send("192.0.2.1").await.unwrap().unwrap();
    assert_retried_later(&refused, StatusCode::SERVICE_UNAVAILABLE);
    let _health_check = proxy.begin("10.0.0.1").await;
    let refused = proxy.send("10.0.0.1").await.unwrap().unwrap();
    assert_retried_later(&refused, StatusCode::SERVICE_UNAVAILABLE);
    proxy.finish(first).await;
}

#[tokio::test]
async fn response_is_in_progress_until_its_body_ends() {
    let mut proxy = Balanced::start(Capacity::default().with_per_client(1)).await;
    let (response, mut upstream) = proxy.begin(BUSY_CLIENT).await;
    upstream
        .send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nfirst")
        .await;
    let response = response.await.unwrap().unwrap();
    let refused = proxy.send(BUSY_CLIENT).await.unwrap().unwrap();
    assert_retried_later(&refused, StatusCode::TOO_MANY_REQUESTS);
    upstream.send("later").await;
    assert_eq!(text(response).await, "firstlater");
    let next = proxy.begin(BUSY_CLIENT).await;
    proxy.finish(next).await;
}

#[tokio::test]
async fn abandoned_request_is_no_longer_in_progress() {
    let mut proxy = Balanced::start(Capacity::default().with_per_client(1)).await;
    let (response, mut upstream) = proxy.begin(BUSY_CLIENT).await;
    response.abort();
    upstream.end().await;
    let next = proxy.begin(BUSY_CLIENT).await;
    proxy.finish(next).await;
}

#[tokio::test]
async fn websocket_is_in_progress_until_it_is_closed() {
    let backend = RawServer::bind().await;
    let setup = Setup {
        proxy: ProxyOptions::default().with_capacity(Capacity::default().with_total(1)),
        ..Setup::default()
    };
    let front = setup.before(&backend.url());
    let tunnel = websocket::open(&backend, &front).await;
    let mut other = front.connect().await;
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let refused = other.head().await;
    assert!(
        refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{refused}"
    );
    drop(tunnel);
    let closed = || (front.tunnels().open() == 0).then_some(());
    assert!(eventually(closed).await.is_some());
    let mut other = front.connect().await;
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    drop(backend.answer(OK).await);
    other.until("ok").await;
}
