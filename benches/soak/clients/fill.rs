//! Fills guard's tables: sends requests of more clients than guard remembers.

use std::{fmt::Write as _, net::SocketAddr};

use gabion_testkit::RawConnection;
use tokio::task::JoinSet;

use crate::traffic::{forwarded, new_address};

/// The number of pipelined requests on a connection, times three targets.
const DEPTH: usize = 32;
const CONNECTIONS: usize = 16;

/// The targets, each requested by a new client, and their statuses. They fill the tables of served, denied
/// and suspicious clients. No client returns: guard keeps returning clients in another part of its tables.
const REQUESTS: [(&str, u16); 3] = [("/bytes/0", 200), ("/index.php", 403), ("/trap/a", 403)];

/// Sends requests of `clients` clients for each target.
pub(crate) async fn fill_tables(addr: SocketAddr, clients: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        tasks.spawn(async move {
            let mut wire = RawConnection::connect(addr).await;
            for _ in 0..clients.div_ceil(CONNECTIONS * DEPTH) {
                let mut requests = String::new();
                for _ in 0..DEPTH {
                    for (target, _) in REQUESTS {
                        let header = forwarded(new_address());
                        let _ =
                            write!(requests, "GET {target} HTTP/1.1\r\nHost: a\r\n{header}\r\n");
                    }
                }
                wire.send(requests.as_bytes()).await;
                for (_, expected) in [REQUESTS; DEPTH].concat() {
                    let answer = wire.response("GET").await.expect("an answer");
                    assert_eq!(answer.status, expected, "{}", answer.text());
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("all requests are served");
    }
}
