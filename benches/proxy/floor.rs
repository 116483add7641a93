//! What hyper costs alone: a proxy that only passes on.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Empty, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, runtime::Builder};

/// How this program is told to be it, with where to listen and what stands behind.
pub(crate) const FLAG: &str = "--floor";

type Onward = Client<HttpConnector, Incoming>;

/// Passes on what comes to `listen`, until its process ends.
pub(crate) fn pass_on(listen: SocketAddr, upstream: SocketAddr) -> ! {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let onward: Onward = Client::builder(TokioExecutor::new()).build(connector);
        let listener = TcpListener::bind(listen).await.expect("a port");
        loop {
            let Ok((socket, _)) = listener.accept().await else {
                continue;
            };
            let _ = socket.set_nodelay(true);
            let onward = onward.clone();
            let service = service_fn(move |request| exchange(onward.clone(), upstream, request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            tokio::spawn(connection);
        }
    })
}

async fn exchange(
    onward: Onward,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let target: Uri = format!("http://{upstream}{path}").parse().expect("a URL");
    *request.uri_mut() = target;
    let answer = onward
        .request(request)
        .await
        .map(|answer| answer.map(BodyExt::boxed));
    Ok(answer.unwrap_or_else(|_| {
        let nothing = Empty::new().map_err(|never| match never {});
        let mut answer = Response::new(nothing.boxed());
        *answer.status_mut() = http::StatusCode::BAD_GATEWAY;
        answer
    }))
}
