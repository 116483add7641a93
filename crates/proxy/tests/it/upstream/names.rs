//! Names of upstreams: all addresses, and new ones. No name is resolved by the system here.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use gabion_proxy::{UpstreamGroup, UpstreamOptions};
use tokio::net::TcpListener;

use super::{get, serve_http1};
use crate::support::{Setup, group};

/// A server on an address of the loopback network, at a port that several share.
async fn serve_at(addr: &str, port: u16) -> u16 {
    let listener = TcpListener::bind((addr, port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let name = addr.to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_http1(stream, name.clone()));
        }
    });
    port
}

/// A group of one name, which resolves to the addresses that the test sets.
fn named_group(port: u16, interval: Duration) -> (UpstreamGroup, Arc<Mutex<Vec<&'static str>>>) {
    let addrs = Arc::<Mutex<Vec<&'static str>>>::default();
    let current = Arc::clone(&addrs);
    let options = UpstreamOptions::default()
        .with_resolve_interval(interval)
        .with_resolver(move |name, port| {
            assert_eq!(name, "app.example");
            let addrs = current.lock().unwrap();
            Ok(addrs
                .iter()
                .map(|addr| SocketAddr::new(addr.parse().unwrap(), port))
                .collect())
        });
    (
        group(&[&format!("http://app.example:{port}")], &options),
        addrs,
    )
}

#[tokio::test]
async fn every_address_is_used_and_a_dead_one_is_skipped() {
    let port = serve_at("127.0.0.1", 0).await;
    serve_at("127.0.0.2", port).await;
    let (group, addrs) = named_group(port, Duration::from_secs(30));
    // Nothing listens on the last one, and the first is forbidden.
    addrs
        .lock()
        .unwrap()
        .extend(["169.254.169.254", "127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..6 {
        // A proxy of its own has no connection yet.
        let front = Setup::default().before_group(group.clone());
        seen.insert(get(&front).await);
    }
    let bodies = ["127.0.0.1", "127.0.0.2"].map(|addr| format!("HTTP/1.1 localhost {addr}"));
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), bodies);
}

#[tokio::test]
async fn name_moves_to_another_address_while_connections_are_in_use() {
    let port = serve_at("127.0.0.1", 0).await;
    serve_at("127.0.0.2", port).await;
    let (group, addrs) = named_group(port, Duration::from_millis(200));
    addrs.lock().unwrap().push("127.0.0.1");
    let front = Setup::default().before_group(group);
    let mut client = front.connect().await;
    assert!(get(&front).await.ends_with("127.0.0.1"));
    *addrs.lock().unwrap() = vec!["127.0.0.2"];
    let moved = tokio::time::timeout(Duration::from_secs(5), async {
        // The old server still responds on a kept connection.
        while client
            .get("/", "")
            .await
            .unwrap()
            .text()
            .ends_with("127.0.0.1")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    moved.await.expect("the name is not resolved again");
}

#[tokio::test]
async fn name_is_resolved_again_after_a_refused_connection() {
    let port = serve_at("127.0.0.2", 0).await;
    let (group, addrs) = named_group(port, Duration::from_hours(1));
    addrs.lock().unwrap().push("127.0.0.1");
    let front = Setup::default().before_group(group);
    let moving = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        *addrs.lock().unwrap() = vec!["127.0.0.2"];
    };
    // The request waits as for an upstream that starts.
    let (body, ()) = tokio::join!(get(&front), moving);
    assert_eq!(body, "HTTP/1.1 localhost 127.0.0.2");
}
