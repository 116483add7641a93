//! Two gabion layers stacked by hand around a plain hyper service, without a policy document.
//!
//! `cargo run -p hyper-guarded`, then `curl -i http://127.0.0.1:3001/index.php`.

use std::{convert::Infallible, error::Error, sync::Arc};

use bytes::Bytes;
use gabion::{BanConfig, BanTable, ClientRules, DenyRule, GuardLayer, Network, PeerAddr};
use gabion::{Config as _, Context, State};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let (ban, deny) = layers()?;
    let service = ServiceBuilder::new()
        .layer(ban)
        .layer(deny)
        .service(service_fn(hello));

    let listener = TcpListener::bind("127.0.0.1:3001").await?;
    println!("http://{}/", listener.local_addr()?);
    loop {
        let (socket, peer) = listener.accept().await?;
        // The one thing that gabion asks of a server: who is at the other end of the socket.
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

/// Who is refused, and what is refused to everyone else.
fn layers() -> Result<(GuardLayer, GuardLayer), Box<dyn Error>> {
    let clients = ClientRules::default();
    let table = Arc::new(BanTable::new(10_000));

    let networks: Vec<Network> = vec!["198.51.100.0/24".parse()?];
    let config = BanConfig {
        networks,
        ..BanConfig::default()
    };
    let ban = {
        let arbiter = Arc::new(gabion::BanArbiter::new(table.clone(), 20_000));
        config.compile(&Context::new(&State::scratch().with_arbiter(arbiter)))?
    };

    let php = DenyRule::new("php").extensions(["php", "phtml", "phar"]);
    let deny = [php].compile(&Context::new(&State::scratch()))?;

    Ok((
        GuardLayer::new(ban, clients.clone()),
        GuardLayer::new(deny, clients).with_bans(table),
    ))
}

async fn hello(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello\n")))
}
