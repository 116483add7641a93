//! A proxy without rules, built from hyper and hyper-util only: the lower bound for guard.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
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

/// The result of a forwarded request.
pub(crate) type Forwarded = Result<Response<UnsyncBoxBody<Bytes, hyper::Error>>, Infallible>;

/// Forwards requests from `listen` to `upstream`, until SIGTERM.
pub(crate) fn serve(listen: SocketAddr, upstream: SocketAddr) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: UpstreamClient = Client::builder(TokioExecutor::new()).build(connector);
    run(listen, move |request| {
        exchange(client.clone(), upstream, request)
    });
}

/// Serves `forward` on `listen`, until SIGTERM. It returns then: a process that a signal kills writes no profile for
/// PGO.
pub(crate) fn run<F, R>(listen: SocketAddr, forward: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Forwarded> + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut stop = signal(SignalKind::terminate()).expect("a signal handler");
        tokio::select! {
            () = accept(listen, forward) => {}
            _ = stop.recv() => {}
        }
    });
}

async fn accept<F, R>(listen: SocketAddr, forward: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Forwarded> + Send + 'static,
{
    let listener = TcpListener::bind(listen).await.expect("a port");
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let _ = socket.set_nodelay(true);
        let service = service_fn(forward.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        tokio::spawn(connection);
    }
}

async fn exchange(
    client: UpstreamClient,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> Forwarded {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let target: Uri = format!("http://{upstream}{path}").parse().expect("a URL");
    *request.uri_mut() = target;
    let response = client.request(request).await;
    let response = response.map(|response| response.map(BodyExt::boxed_unsync));
    Ok(response.unwrap_or_else(|_| bad_gateway()))
}

/// Returns the response for an upstream that does not answer.
pub(crate) fn bad_gateway() -> Response<UnsyncBoxBody<Bytes, hyper::Error>> {
    let empty = Empty::new().map_err(|never| match never {});
    let mut response = Response::new(empty.boxed_unsync());
    *response.status_mut() = http::StatusCode::BAD_GATEWAY;
    response
}
