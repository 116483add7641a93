//! Groups of upstreams, and upstreams other than plain HTTP/1.1 over TCP.

mod choice;
mod events;
mod grpc;
mod health;
mod load;
mod multiplexed;
mod names;
mod replaced;
mod start;
mod tls;
mod unix;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
};

use bytes::Bytes;
use gabion_testkit::{LoopbackServer, ProxyServer, RawResponse};
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

/// Serves HTTP/1.1 on `stream`. Answers each request with its version, its host and `name`.
async fn serve_http1<S: AsyncRead + AsyncWrite + Unpin>(stream: S, name: String) {
    let service = service_fn(move |request| answer(&request, &name));
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Serves HTTP/2 likewise.
async fn serve_http2<S>(stream: S, name: String)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(&request, &name));
    let _ = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn answer(
    request: &Request<Incoming>,
    name: &str,
) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let authority = request.uri().authority().map(ToString::to_string);
    let host = request
        .headers()
        .get("host")
        .map(|host| host.to_str().unwrap().to_owned());
    let host = authority.or(host).unwrap_or_default();
    let text = format!("{:?} {host} {name}", request.version());
    ready(Ok(Response::new(Full::from(text))))
}

/// An HTTP/1.1 server that answers with its name.
async fn named_server(name: &str) -> LoopbackServer {
    let name = name.to_owned();
    LoopbackServer::start(move |stream| serve_http1(stream, name.clone())).await
}

/// Sends one request from an address of the loopback network.
async fn get_from(from: &str, front: &ProxyServer) -> RawResponse {
    let mut client = gabion_testkit::RawConnection::connect_from(from, front.addr()).await;
    client.get("/", "").await.unwrap()
}

/// The body of the response to one request.
async fn get(front: &ProxyServer) -> String {
    let response = front.connect().await.get("/", "").await.unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
    response.text()
}

/// A port on which nothing listens.
async fn closed_port() -> SocketAddr {
    gabion_testkit::RawServer::bind().await.addr()
}
