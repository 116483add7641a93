//! A service behind the wall has no means to become anything but a WebSocket, and who is refused one
//! is told what was wrong with the handshake.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use gabion::{Guard, PeerAddr};
use gabion_testkit::{Backend, Recorder, Wire};
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, upgrade::OnUpgrade};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::sockets::{Front, builder};

/// Says what it could do: whether it may upgrade, and to what.
async fn confess(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let able = request.extensions().get::<OnUpgrade>().is_some();
    let offer = request.headers().get("upgrade");
    let offer = offer.map_or("nothing", |offer| offer.to_str().unwrap());
    let settings = request.headers().contains_key("http2-settings");
    let words = format!("{offer}, able: {able}, settings: {settings}");
    Ok(Response::new(Full::from(words)))
}

/// What the service behind a guard with `policy` can do with a request of these lines.
async fn confession(policy: &str, lines: &str) -> String {
    let guard = Guard::from_policy(policy).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let service = guard.layer().layer(service_fn(confess));
    tokio::spawn(async move {
        let (socket, from) = listener.accept().await.unwrap();
        let service = service.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddr::new(from));
            request
        });
        let service = TowerToHyperService::new(service);
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        let _ = connection.with_upgrades().await;
    });
    let mut wire = Wire::connect(addr).await;
    wire.get("/", lines).await.unwrap().text()
}

const POLICY: &str = "version = 1\n";
const ALLOWING: &str = "version = 1\n[allow]\nnetworks = ['127.0.0.0/8']\n";
const OBSERVING: &str = "version = 1\nmode = 'observe'\n";

const H2C: &str = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
    HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n";

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn service_cannot_take_an_offer_of_h2c() {
    for policy in [POLICY, ALLOWING, OBSERVING] {
        let said = confession(policy, H2C).await;
        assert_eq!(said, "nothing, able: false, settings: false", "{policy}");
    }
}

#[tokio::test]
async fn service_can_take_an_offer_of_a_websocket() {
    for policy in [POLICY, ALLOWING, OBSERVING] {
        let said = confession(policy, WEBSOCKET).await;
        assert_eq!(said, "websocket, able: true, settings: false", "{policy}");
    }
}

/// The answer of a guard before a server, and the connection that it came by.
async fn answered(lines: &str) -> (gabion_testkit::Answer, Wire) {
    let behind = Backend::start().await;
    let guard = builder(Arc::new(Recorder::default())).with_policy(POLICY, "policy.toml");
    let front = Front::before(&behind, guard.unwrap());
    let mut wire = front.connect().await;
    let answer = wire.get("/", lines).await.unwrap();
    assert!(behind.take().is_empty(), "nothing reached the server");
    (answer, wire)
}

#[tokio::test]
async fn wrong_version_is_told_the_right_one_and_the_connection_ends() {
    let (answer, mut wire) = answered(&WEBSOCKET.replace("13", "8")).await;
    assert_eq!(answer.status, 426);
    assert_eq!(answer.headers["sec-websocket-version"], "13");
    assert_eq!(answer.headers["upgrade"], "websocket");
    let said = answer.headers["connection"].to_str().unwrap();
    assert!(said.split(", ").any(|token| token == "close"), "{said}");
    assert!(wire.get("/", "").await.is_none(), "it has ended");
}
