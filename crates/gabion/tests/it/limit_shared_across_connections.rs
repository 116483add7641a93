//! A limit has one state for all connections, clones and routes. The state of tower's own
//! `RateLimitLayer` is in each connection's clone (tower issue 764, axum issue 2634).

use std::net::SocketAddr;

use axum::{Router, routing::get};
use gabion::Guard;
use gabion_testkit::{RawConnection, RouterServer};
use tokio::task::JoinSet;

const POLICY: &str = r#"
    version = 1
    [client]
    trusted_proxies = ["127.0.0.0/8"]
    [[limit]]
    id = "x"
    rate = "20/h"
    mode = "enforce"
"#;

const CONNECTIONS: usize = 100;
const EACH: usize = 5;

/// Serves a router with separate layers of one guard on its routes, as axum serves.
async fn serve() -> RouterServer {
    let guard = Guard::from_policy(POLICY).unwrap();
    let api = Router::new().route("/", get(|| async { "api" }));
    let app = Router::new()
        .route("/", get(|| async { "root" }).layer(guard.layer()))
        .nest("/api", api.layer(guard.clone().layer()));
    RouterServer::start(app).await
}

/// The number of 200 and of 429 responses on all connections.
async fn count_responses(addr: SocketAddr, client: &'static str) -> [usize; 2] {
    let mut connections = JoinSet::new();
    for n in 0..CONNECTIONS {
        connections.spawn(async move {
            let mut connection = RawConnection::connect(addr).await;
            let mut counts = [0, 0];
            for each in 0..EACH {
                let target = if (n + each) % 2 == 0 { "/" } else { "/api" };
                let line = format!("X-Forwarded-For: {client}\r\n");
                let answer = connection.get(target, &line).await.unwrap();
                match answer.status.as_u16() {
                    200 => counts[0] += 1,
                    429 => counts[1] += 1,
                    other => panic!("{other}"),
                }
            }
            counts
        });
    }
    let all = connections.join_all().await;
    all.iter().fold([0, 0], |[passed, denied], counts| {
        [passed + counts[0], denied + counts[1]]
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_of_five_hundred_at_once_pass() {
    let server = serve().await;
    let addr = server.addr();
    let all = CONNECTIONS * EACH;
    assert_eq!(count_responses(addr, "203.0.113.9").await, [20, all - 20]);
    assert_eq!(count_responses(addr, "203.0.113.9").await, [0, all]);
    assert_eq!(count_responses(addr, "203.0.113.10").await, [20, all - 20]);
}
