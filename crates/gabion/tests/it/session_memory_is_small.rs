//! The memory of an idle observed WebSocket.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use gabion_testkit::{Recorder, peer};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy, duplex, split},
    runtime::Builder,
    task::yield_now,
};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use crate::support::guarded_proxy::builder;

const SOCKETS: u64 = 100;
const POLICY: &str = "version = 1\n[upgrade]\nsockets_per_client = 1000\nmessages = '50/s'\n\
                      client_messages = '100000/s'\nping = '25s'\n";
/// A policy that reads and inflates messages.
const RULE: &str = "compression = 'inflate'\n[[message]]\nid = 'a'\ncontains = 'attack'\n";
const HANDSHAKE: &[u8] = b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
/// The masked text `hi` with a key of zeros.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";

async fn echo(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async {
        let (mut read, mut write) = split(TokioIo::new(upgrade.await.unwrap()));
        let _ = copy(&mut read, &mut write).await;
    });
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    Ok(response)
}

/// A socket to `service` that was used once. The server masks its echo, which violates RFC 6455 and
/// does no harm here.
async fn open<S, B>(service: S) -> DuplexStream
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: http_body_util::BodyExt<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let (mut client, server) = duplex(1024);
    let service = service.map_request(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer("203.0.113.9"));
        request
    });
    let service = TowerToHyperService::new(service);
    let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
    tokio::spawn(connection.with_upgrades());
    client.write_all(HANDSHAKE).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    client.write_all(HI).await.unwrap();
    let mut back = [0; HI.len()];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!(back, HI);
    yield_now().await;
    client
}

/// The number of bytes per open socket.
fn held<S, B>(service: &S) -> u64
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: http_body_util::BodyExt<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    // Allocations on first use are not counted.
    let _first = runtime.block_on(open(service.clone()));
    let mut sockets = Vec::with_capacity(100);
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            for _ in 0..SOCKETS {
                sockets.push(open(service.clone()).await);
            }
        });
    });
    u64::try_from(counted.bytes_current).unwrap() / SOCKETS
}

#[test]
fn at_most_two_kib_per_session() {
    let bare = held(&service_fn(echo));
    for policy in [POLICY.to_owned(), [POLICY, RULE].concat()] {
        let guard = builder(Arc::new(Recorder::default()));
        let guard = guard.with_policy(&policy, "policy").unwrap();
        let watched = held(&guard.layer().layer(service_fn(echo)));
        println!("an idle socket holds {bare} bytes bare, {watched} watched");
        assert_eq!(
            guard.sessions().len(),
            0,
            "the runtime is gone, and its sockets"
        );
        assert!(watched > bare, "nothing is watched");
        assert!(watched - bare <= 2048, "{} bytes are added", watched - bare);
    }
}
