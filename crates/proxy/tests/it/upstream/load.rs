//! An upstream that is killed under load, with nginx as the reference.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use gabion_proxy::{Balance, UpstreamOptions};
use gabion_testkit::{LoopbackServer, Nginx, RawConnection, program};
use tokio::{task::JoinSet, time::sleep};

use super::named_server;
use crate::support::{Setup, group};

/// Clients that send one GET after the other.
struct Load {
    clients: JoinSet<BTreeMap<u16, usize>>,
    is_over: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
}

impl Load {
    const CLIENTS: usize = 32;

    fn start(front: SocketAddr) -> Self {
        let mut load = Self {
            clients: JoinSet::new(),
            is_over: Arc::default(),
            sent: Arc::default(),
        };
        for _ in 0..Self::CLIENTS {
            let (is_over, sent) = (Arc::clone(&load.is_over), Arc::clone(&load.sent));
            load.clients.spawn(async move {
                let mut client = RawConnection::connect(front).await;
                let mut statuses = BTreeMap::new();
                while !is_over.load(SeqCst) {
                    let response = client
                        .get("/", "")
                        .await
                        .unwrap_or_else(|| panic!("no response of {front}"));
                    *statuses.entry(response.status.as_u16()).or_default() += 1;
                    sent.fetch_add(1, SeqCst);
                }
                statuses
            });
        }
        load
    }

    /// Waits until so many more requests have a response.
    async fn pass(&self, requests: usize) {
        let enough = self.sent.load(SeqCst) + requests;
        let passed =
            gabion_testkit::eventually(|| (self.sent.load(SeqCst) >= enough).then_some(()));
        assert!(passed.await.is_some(), "the load stands still");
    }

    /// Ends the load. Returns the number of each status.
    async fn end(mut self) -> BTreeMap<u16, usize> {
        self.is_over.store(true, SeqCst);
        let mut statuses = BTreeMap::new();
        while let Some(client) = self.clients.join_next().await {
            for (status, count) in client.unwrap() {
                *statuses.entry(status).or_default() += count;
            }
        }
        statuses
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_safe_request_fails_when_an_upstream_is_killed() {
    for balance in [Balance::LeastRequest, Balance::RoundRobin, Balance::Sticky] {
        let servers = [
            named_server("a").await,
            named_server("b").await,
            named_server("c").await,
        ];
        let urls: Vec<String> = servers.iter().map(LoopbackServer::url).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let options = UpstreamOptions::default().with_balance(balance);
        let front = Setup::default().before_group(group(&urls, &options));
        let load = Load::start(front.addr());
        load.pass(500).await;
        let [a, b, _c] = servers;
        drop(a);
        load.pass(500).await;
        drop(b);
        load.pass(500).await;
        let statuses = load.end().await;
        assert_eq!(
            statuses.keys().collect::<Vec<_>>(),
            [&200],
            "{balance:?} {statuses:?}"
        );
    }
}

/// A process that is killed cuts its connections in the middle of a response, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_killed_as_an_upstream_of_gabion_and_of_nginx() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let answering = "server { listen {listen}; location / { return 200 \"ok\"; } }";
    let one = Nginx::with_servers(&nginx, "killed", answering).await;
    let other = Nginx::with_servers(&nginx, "stays", answering).await;
    let reference = format!(
        "upstream app {{ server {}; server {}; keepalive 64; }}
         server {{
             listen {{listen}};
             # By default nginx ends a connection after 1000 requests.
             keepalive_requests 1000000;
             location / {{
                 proxy_pass http://app;
                 proxy_http_version 1.1;
                 proxy_set_header Connection \"\";
             }}
         }}",
        one.addr(),
        other.addr()
    );
    let reference = Nginx::with_servers(&nginx, "reference", &reference).await;
    let urls = [&one, &other].map(|server| format!("http://{}", server.addr()));
    let urls = [urls[0].as_str(), urls[1].as_str()];
    let front = Setup::default().before_group(group(&urls, &UpstreamOptions::default()));

    let loads = [Load::start(front.addr()), Load::start(reference.addr())];
    for load in &loads {
        load.pass(1000).await;
    }
    drop(one);
    for load in &loads {
        load.pass(1000).await;
    }
    sleep(Duration::from_millis(1500)).await;
    let [ours, theirs] = loads.map(Load::end);
    let (ours, theirs) = (ours.await, theirs.await);
    eprintln!("gabion {ours:?}, nginx {theirs:?}");
    assert_eq!(ours.keys().collect::<Vec<_>>(), [&200], "{ours:?}");
    assert!(theirs[&200] > 1000, "{theirs:?}");
}
