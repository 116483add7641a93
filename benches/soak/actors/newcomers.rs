//! More clients than guard remembers, so that what it remembers is as large as it gets.

use std::{fmt::Write as _, net::SocketAddr};

use gabion_testkit::Wire;
use tokio::task::JoinSet;

use crate::stage::{forwarded, stranger};

/// How many requests are under way at once on a connection.
const DEPTH: usize = 32;
const CONNECTIONS: usize = 16;

/// Lets so many clients come: each asks for something, then for what is refused.
pub(crate) async fn fill(addr: SocketAddr, clients: usize) {
    let mut lanes = JoinSet::new();
    for _ in 0..CONNECTIONS {
        lanes.spawn(async move {
            let mut wire = Wire::connect(addr).await;
            for _ in 0..clients.div_ceil(CONNECTIONS * DEPTH) {
                let mut requests = String::new();
                for _ in 0..DEPTH {
                    let who = forwarded(stranger());
                    for target in ["/bytes/0", "/index.php"] {
                        let _ = write!(requests, "GET {target} HTTP/1.1\r\nHost: a\r\n{who}\r\n");
                    }
                }
                wire.send(requests.as_bytes()).await;
                for expected in [200, 403].into_iter().cycle().take(2 * DEPTH) {
                    let answer = wire.answer("GET").await.expect("an answer");
                    assert_eq!(answer.status, expected, "{}", answer.text());
                }
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.expect("newcomers are served");
    }
}
