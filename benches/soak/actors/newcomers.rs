//! More clients than guard remembers, so that what it remembers is as large as it gets.

use std::{fmt::Write as _, net::SocketAddr};

use gabion_testkit::Wire;
use tokio::task::JoinSet;

use crate::stage::{forwarded, stranger};

/// How many requests are under way at once on a connection.
const DEPTH: usize = 32;
const CONNECTIONS: usize = 16;

/// What is asked for, each by a client of its own, and how it is answered: some are remembered as
/// served, some as refused, some as suspected. Nobody comes twice: who does is kept elsewhere.
const ASKED: [(&str, u16); 3] = [("/bytes/0", 200), ("/index.php", 403), ("/trap/a", 403)];

/// Lets so many clients come of each kind.
pub(crate) async fn fill(addr: SocketAddr, clients: usize) {
    let mut lanes = JoinSet::new();
    for _ in 0..CONNECTIONS {
        lanes.spawn(async move {
            let mut wire = Wire::connect(addr).await;
            for _ in 0..clients.div_ceil(CONNECTIONS * DEPTH) {
                let mut requests = String::new();
                for _ in 0..DEPTH {
                    for (target, _) in ASKED {
                        let who = forwarded(stranger());
                        let _ = write!(requests, "GET {target} HTTP/1.1\r\nHost: a\r\n{who}\r\n");
                    }
                }
                wire.send(requests.as_bytes()).await;
                for (_, expected) in [ASKED; DEPTH].concat() {
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
