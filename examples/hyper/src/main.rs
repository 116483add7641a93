//! The four gabion layers around a plain hyper service, without a policy document.
//!
//! Run `cargo run -p hyper-guarded`, then `curl -i http://127.0.0.1:3001/index.php`: 403. curl comes from
//! loopback, which is exempt from limits and bans. The layers trust loopback as a proxy here, so that another
//! client can be named: `curl -i -H 'X-Forwarded-For: 198.51.100.7' http://127.0.0.1:3001/` is refused by the
//! ban list.

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use gabion::{BanLayer, Bans, DenyLayer, LimitLayer, PeerAddr, ScanLayer};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let bans = Bans::new();
    let service = ServiceBuilder::new()
        .layer(
            BanLayer::new(&bans)
                .networks(["198.51.100.0/24"])?
                .trusted_proxies(["127.0.0.0/8"])?,
        )
        .layer(
            DenyLayer::new()
                .extensions(["php"])
                .names([".env", ".git"])?,
        )
        .layer(LimitLayer::per_client("50/s".parse()?).burst(2_000))
        .layer(ScanLayer::new(&bans))
        .service(service_fn(hello));

    let listener = TcpListener::bind("127.0.0.1:3001").await?;
    println!("http://{}/", listener.local_addr()?);
    loop {
        let (socket, peer) = listener.accept().await?;
        // The layers need the peer address of each request.
        let service = service
            .clone()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddr::new(peer));
                request
            });
        tokio::spawn(async move {
            let service = TowerToHyperService::new(service);
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn hello(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello\n")))
}
