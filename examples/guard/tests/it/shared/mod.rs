//! Guards that share their bans by a real Redis.

mod limits;
mod outages;
mod policies;

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use gabion_testkit::{RedisServer, TempFolder};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::support::{Guard, text};

/// The test stands for a balancer that names the clients. Most of the few clients are banned after they were
/// served, which `most_percent` would prevent.
const POLICY: &str = r#"
version = 1
[client]
trusted_proxies = ["127.0.0.0/8"]
[ban]
most_percent = 100
[[deny]]
id = "dotfiles"
names = [".env"]
then = "ban 1h"
"#;

const SECOND: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// A guard in front of the demo, with a state folder and a Redis.
struct Shared {
    guard: Guard,
    folder: TempFolder,
}

// === impl Shared ===

impl Shared {
    async fn start(redis: &RedisServer) -> Self {
        Self::start_with(redis, POLICY).await
    }

    async fn start_with(redis: &RedisServer, policy: &str) -> Self {
        let folder = TempFolder::new("shared");
        let policy = folder.write("policy.toml", policy);
        let url = folder.write("redis-url", &redis.url());
        let state = folder.file("state");
        let args = [
            "--policy",
            &policy,
            "--state",
            &state,
            "--redis-url-file",
            &url,
        ];
        let guard = Guard::start(&args).await;
        Self { guard, folder }
    }

    /// Starts three guards.
    async fn three(redis: &RedisServer) -> [Self; 3] {
        [
            Self::start(redis).await,
            Self::start(redis).await,
            Self::start(redis).await,
        ]
    }

    /// Returns the status of a request of a client.
    async fn status(&self, client: &str) -> u16 {
        let header = format!("X-Forwarded-For: {client}\r\n");
        let response = self.guard.connect().await.get("/", &header).await;
        response.expect("a response").status.as_u16()
    }

    /// Sends a request that no page can make a browser send, for which the guard bans the client.
    async fn offend(&self, client: &str) {
        let mut connection = self.guard.connect().await;
        let head = format!(
            "DELETE /.env HTTP/1.1\r\nHost: app.example\r\nX-Forwarded-For: {client}\r\n\r\n"
        );
        connection.send(head).await;
        let response = connection.response("DELETE").await;
        assert_eq!(response.expect("a response").status.as_u16(), 403);
    }

    /// Opens a WebSocket of a client.
    async fn open(&self, client: &str) -> Socket {
        let url = format!("ws://{}/ws", self.guard.addr());
        let mut request = url.into_client_request().unwrap();
        let client = client.parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", client);
        connect_async(request).await.unwrap().0
    }

    /// Runs a command of an operator by the socket in the state folder, and returns its output.
    #[track_caller]
    fn operate(&self, command: &[&str]) -> String {
        let state = self.folder.file("state");
        let mut guard = Command::new(env!("CARGO_BIN_EXE_guard"));
        guard.env_remove("RUST_LOG").env_remove("GUARD_ADMIN_TOKEN");
        let Output {
            status,
            stdout,
            stderr,
        } = guard
            .args(command)
            .args(["--state", &state])
            .output()
            .unwrap();
        assert!(status.success(), "{command:?}: {}", text(&stderr));
        text(&stdout)
    }
}

/// Waits until all guards answer each client with `status`, and returns the time since `began`.
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn agree(guards: &[Shared], clients: &[String], status: u16, began: Instant) -> Duration {
    for guard in guards {
        for client in clients {
            while guard.status(client).await != status {
                let log = guard.guard.log();
                assert!(
                    began.elapsed() < 20 * SECOND,
                    "{client} is not answered {status}:\n{log}"
                );
                sleep(Duration::from_millis(5)).await;
            }
        }
    }
    began.elapsed()
}

/// The `n`th client: each is in a /48 of its own, so that the ban budget admits all.
fn client(n: usize) -> String {
    format!("2001:db8:{n:x}::9")
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn a_ban_on_one_guard_binds_the_others_and_closes_their_websockets() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let guards = Shared::three(&redis).await;
    let (mut bans, mut ends) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let banned = client(n);
        let other = client(1000 + n);
        let mut socket = guards[(n + 1) % 3].open(&banned).await;
        let mut others = guards[(n + 1) % 3].open(&other).await;
        let began = Instant::now();
        guards[n % 3].offend(&banned).await;
        let close = async {
            let closed = timeout(5 * SECOND, socket.next())
                .await
                .expect("it is closed");
            let Some(Ok(Message::Close(Some(close)))) = closed else {
                panic!("{closed:?}");
            };
            assert_eq!(u16::from(close.code), 1008);
            began.elapsed()
        };
        let clients = [banned.clone()];
        let (bound, closed) = tokio::join!(agree(&guards, &clients, 403, began), close);
        bans.push(bound);
        ends.push(closed);
        assert_eq!(guards[(n + 2) % 3].status(&other).await, 200);
        let open = timeout(Duration::from_millis(20), others.next()).await;
        assert!(open.is_err(), "the socket of another client: {open:?}");
    }
    for (what, times) in [("all refuse", &mut bans), ("1008 elsewhere", &mut ends)] {
        times.sort_unstable();
        println!("{what}: p50 {:?}, longest {:?}", times[15], times[29]);
        assert!(times[29] < SECOND, "{what}: {times:?}");
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn an_operator_lifts_a_ban_on_all_guards() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let guards = Shared::three(&redis).await;
    let clients = [client(1), client(2)];
    for client in &clients {
        guards[0].offend(client).await;
    }
    agree(&guards, &clients, 403, Instant::now()).await;

    let began = Instant::now();
    guards[1].operate(&["unban", &clients[0]]);
    let unbanned = agree(&guards, &clients[..1], 200, began).await;
    let began = Instant::now();
    guards[2].operate(&["allow", &clients[1], "--for", "1h", "--why", "a customer"]);
    let allowed = agree(&guards, &clients[1..], 200, began).await;
    println!("unban: 200 everywhere after {unbanned:?}; allow: {allowed:?}, with the command");
    assert!(unbanned < 2 * SECOND && allowed < 2 * SECOND);
    for guard in &guards {
        assert_eq!(guard.operate(&["bans"]), "no bans\n");
        assert!(guard.operate(&["allows"]).contains("a customer"));
        assert!(guard.operate(&["status"]).contains("redis"));
    }

    guards[0].operate(&["ban", &client(3), "--for", "1h"]);
    agree(&guards, &[client(3)], 403, Instant::now()).await;
}
