//! A proxy without rules, built from hyper and hyper-util only: the lower bound for guard.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Empty, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    net::TcpListener,
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

/// The option that runs this program as the proxy, followed by its own and the upstream address.
pub(crate) const FLAG: &str = "--plain-hyper";

type UpstreamClient = Client<HttpConnector, Incoming>;

/// Forwards requests from `listen` to `upstream`, until SIGTERM. It returns then: a process that a signal kills
/// writes no profile for PGO.
pub(crate) fn serve(listen: SocketAddr, upstream: SocketAddr) {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut stop = signal(SignalKind::terminate()).expect("a signal handler");
        tokio::select! {
            () = accept(listen, upstream) => {}
            _ = stop.recv() => {}
        }
    });
}

async fn accept(listen: SocketAddr, upstream: SocketAddr) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: UpstreamClient = Client::builder(TokioExecutor::new()).build(connector);
    let listener = TcpListener::bind(listen).await.expect("a port");
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let _ = socket.set_nodelay(true);
        let client = client.clone();
        let service = service_fn(move |request| exchange(client.clone(), upstream, request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        tokio::spawn(connection);
    }
}

async fn exchange(
    client: UpstreamClient,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let target: Uri = format!("http://{upstream}{path}").parse().expect("a URL");
    *request.uri_mut() = target;
    let response = client
        .request(request)
        .await
        .map(|response| response.map(BodyExt::boxed));
    Ok(response.unwrap_or_else(|_| {
        let empty = Empty::new().map_err(|never| match never {});
        let mut response = Response::new(empty.boxed());
        *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        response
    }))
}
