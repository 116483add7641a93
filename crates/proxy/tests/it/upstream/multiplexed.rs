//! HTTP/2 to the upstream: by prior knowledge, with many requests on one connection.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use gabion_core::BodyLimit;
use gabion_proxy::{Balance, UpstreamOptions};
use gabion_testkit::LoopbackServer;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{sleep, timeout};

use super::{get, serve_http2};
use crate::support::{PATIENCE, Setup, group};

/// An `h2c://` server that answers with its name, and the number of its connections.
async fn h2c_server() -> (LoopbackServer, String, Arc<AtomicUsize>) {
    let connections = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connections);
    let server = LoopbackServer::start(move |stream| {
        counted.fetch_add(1, SeqCst);
        serve_http2(stream, "h2c".to_owned())
    })
    .await;
    let url = format!("h2c://{}", server.addr());
    (server, url, connections)
}

#[tokio::test]
async fn http1_clients_share_one_http2_connection() {
    let (_server, url, connections) = h2c_server().await;
    let front = Setup::default().before(&url);
    let bodies = tokio::join!(get(&front), get(&front), get(&front));
    // The host is the client's.
    let expected = "HTTP/2.0 localhost h2c";
    assert_eq!(bodies, (expected.into(), expected.into(), expected.into()));
    assert_eq!(connections.load(SeqCst), 1);
}

#[tokio::test]
async fn closed_connection_is_replaced() {
    let connections = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connections);
    let server = LoopbackServer::start(move |stream| {
        counted.fetch_add(1, SeqCst);
        async move {
            let serving = serve_http2(stream, "h2c".to_owned());
            let _ = timeout(Duration::from_millis(100), serving).await;
        }
    })
    .await;
    let front = Setup::default().before(&format!("h2c://{}", server.addr()));
    for expected in 1..=3 {
        assert_eq!(get(&front).await, "HTTP/2.0 localhost h2c");
        assert_eq!(connections.load(SeqCst), expected);
        sleep(Duration::from_millis(300)).await;
    }
}

/// A server that allows two streams per connection and answers after a moment.
#[tokio::test]
async fn another_connection_is_opened_when_all_streams_are_in_use() {
    let connections = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connections);
    let server = LoopbackServer::start(move |stream| {
        counted.fetch_add(1, SeqCst);
        let service = service_fn(|_: Request<Incoming>| async {
            sleep(Duration::from_millis(300)).await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("slow")))
        });
        async move {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            let builder = builder.max_concurrent_streams(2);
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
    let front = Setup::default().before(&format!("h2c://{}", server.addr()));
    // The limit is known after the first response.
    get(&front).await;
    tokio::join!(get(&front), get(&front), get(&front), get(&front));
    assert_eq!(connections.load(SeqCst), 2);
}

#[tokio::test]
async fn connection_closed_at_once_is_502() {
    let server = LoopbackServer::start(|stream| async { drop(stream) }).await;
    let front = Setup::default().before(&format!("h2c://{}", server.addr()));
    let response = timeout(PATIENCE, async { front.connect().await.get("/", "").await });
    assert_eq!(response.await.unwrap().unwrap().status, 502);
}

/// A server that reads a request and closes the connection.
#[tokio::test]
async fn safe_request_moves_on_from_a_lost_http2_connection() {
    let lost = LoopbackServer::start(|stream| {
        let service = service_fn(|_: Request<Incoming>| async {
            Err::<Response<Full<Bytes>>, _>(std::io::Error::other("broken"))
        });
        async move {
            let builder = http2::Builder::new(TokioExecutor::new());
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
    let (_server, url, _) = h2c_server().await;
    let options = UpstreamOptions::default().with_balance(Balance::RoundRobin);
    let lost = format!("h2c://{}", lost.addr());
    let urls = [lost.as_str(), url.as_str()];
    let front = Setup::default().before_group(group(&urls, &options));
    for _ in 0..4 {
        assert_eq!(get(&front).await, "HTTP/2.0 localhost h2c");
    }
    let mut client = front.connect().await;
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
        client.send(post).await;
        statuses.push(client.response("POST").await.unwrap().status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 502]);
}

#[tokio::test]
async fn body_is_forwarded_with_its_limit() {
    let server = LoopbackServer::start(|stream| {
        let service = service_fn(|request: Request<Incoming>| async {
            let body = request.into_body().collect().await.map(Collected::to_bytes);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(body.unwrap_or_default())))
        });
        async move {
            let builder = http2::Builder::new(TokioExecutor::new());
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
    let setup = Setup {
        tweak: |request| {
            request.extensions_mut().insert(BodyLimit::new(8));
        },
        ..Setup::default()
    };
    let front = setup.before(&format!("h2c://{}", server.addr()));
    for (lines, body, expected) in [
        ("Content-Length: 4", "body", "body"),
        (
            "Transfer-Encoding: chunked",
            "4\r\nbody\r\n0\r\n\r\n",
            "body",
        ),
        (
            "Transfer-Encoding: chunked",
            "9\r\n123456789\r\n0\r\n\r\n",
            "413 Payload Too Large",
        ),
    ] {
        let mut client = front.connect().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{body}"
            ))
            .await;
        let response = client.response("POST").await.unwrap();
        assert!(response.text().starts_with(expected), "{}", response.text());
    }
}
