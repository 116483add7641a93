//! A service behind the guard can only upgrade to a WebSocket. A refused handshake names its fault.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use gabion::{Guard, PeerAddr};
use gabion_testkit::{Backend, LoopbackServer, RawConnection, Recorder};
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, upgrade::OnUpgrade};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::guarded_proxy::{GuardedProxy, builder};

/// Answers with the upgrade offer it received, and if it could upgrade.
async fn report(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let able = request.extensions().get::<OnUpgrade>().is_some();
    let offer = request.headers().get("upgrade");
    let offer = offer.map_or("nothing", |offer| offer.to_str().unwrap());
    let settings = request.headers().contains_key("http2-settings");
    let words = format!("{offer}, able: {able}, settings: {settings}");
    Ok(Response::new(Full::from(words)))
}

/// The response of [`report`] behind a guard with `policy` to a request with these header lines.
async fn reported(policy: &str, lines: &str) -> String {
    let guard = Guard::from_policy(policy).unwrap();
    let service = guard.layer().layer(service_fn(report));
    let server = LoopbackServer::start(move |stream| {
        let peer = PeerAddr::new(stream.peer_addr().unwrap());
        let service = service
            .clone()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request
            });
        let service = TowerToHyperService::new(service);
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        async { drop(connection.with_upgrades().await) }
    });
    let server = server.await;
    let mut connection = RawConnection::connect(server.addr()).await;
    connection.get("/", lines).await.unwrap().text()
}

const POLICY: &str = "version = 1\n";
const ALLOWING: &str = "version = 1\n[allow]\nnetworks = ['127.0.0.0/8']\n";
const OBSERVING: &str = "version = 1\nmode = 'observe'\n";

const H2C: &str = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
    HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n";

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn service_cannot_accept_h2c() {
    for policy in [POLICY, ALLOWING, OBSERVING] {
        let text = reported(policy, H2C).await;
        assert_eq!(text, "nothing, able: false, settings: false", "{policy}");
    }
}

#[tokio::test]
async fn service_can_accept_a_websocket() {
    for policy in [POLICY, ALLOWING, OBSERVING] {
        let text = reported(policy, WEBSOCKET).await;
        assert_eq!(text, "websocket, able: true, settings: false", "{policy}");
    }
}

/// The response of a guard in front of a server, and its connection.
async fn response_to(lines: &str) -> (gabion_testkit::RawResponse, RawConnection) {
    let backend = Backend::start().await;
    let guard = builder(Arc::new(Recorder::default())).with_policy(POLICY, "policy.toml");
    let proxy = GuardedProxy::start(&backend.url(), guard.unwrap());
    let mut connection = proxy.connect().await;
    let answer = connection.get("/", lines).await.unwrap();
    assert!(backend.take().is_empty(), "nothing reached the server");
    (answer, connection)
}

#[tokio::test]
async fn wrong_version_gets_the_supported_one_and_the_connection_ends() {
    let (answer, mut connection) = response_to(&WEBSOCKET.replace("13", "8")).await;
    assert_eq!(answer.status, 426);
    assert_eq!(answer.headers["sec-websocket-version"], "13");
    assert_eq!(answer.headers["upgrade"], "websocket");
    let text = answer.headers["connection"].to_str().unwrap();
    assert!(text.split(", ").any(|token| token == "close"), "{text}");
    assert!(connection.get("/", "").await.is_none(), "it has ended");
}
