//! Bans outlive the guard that placed them.

use std::{path::Path, time::Duration};

use gabion_testkit::{Backend, TempFolder};
use tokio::time::sleep;

use crate::support::Guard;

/// The test stands for a balancer that names the clients.
const POLICY: &str = r#"
version = 1
[client]
trusted_proxies = ["127.0.0.0/8"]
[[deny]]
id = "dotfiles"
names = [".env"]
then = "ban 1h"
"#;

/// Returns the status of a request that no page can make a browser send.
async fn status(guard: &Guard, client: &str, target: &str) -> u16 {
    let mut connection = guard.connect().await;
    let head = format!(
        "DELETE {target} HTTP/1.1\r\nHost: app.example\r\nX-Forwarded-For: {client}\r\n\r\n"
    );
    connection.send(head).await;
    let response = connection.response("DELETE").await;
    response.expect("a response").status.as_u16()
}

async fn start_on(listen: &str, folder: &Path, upstream: &Backend, args: &[&str]) -> Guard {
    let [policy, state] = ["policy.toml", "state"].map(|name| folder.join(name));
    let url = upstream.url();
    let mut all = vec!["--policy", policy.to_str().unwrap(), "--upstream", &url];
    all.extend(["--state", state.to_str().unwrap()]);
    all.extend(args);
    Guard::start_on(listen, &all).await
}

async fn start(folder: &TempFolder, upstream: &Backend) -> Guard {
    start_on("127.0.0.1:0", folder.path(), upstream, &[]).await
}

fn folder(name: &str) -> TempFolder {
    let folder = TempFolder::new(name);
    folder.write("policy.toml", POLICY);
    folder
}

#[tokio::test]
async fn ban_holds_after_a_restart_and_after_a_kill() {
    let (folder, upstream) = (folder("state"), Backend::start().await);
    let mut guard = start(&folder, &upstream).await;
    assert_eq!(status(&guard, "203.0.113.9", "/").await, 200);
    assert_eq!(status(&guard, "203.0.113.9", "/.env").await, 403);
    assert_eq!(status(&guard, "203.0.113.9", "/").await, 403);
    guard.signal("TERM");
    assert!(guard.wait_for_exit().await.success());

    let guard = start(&folder, &upstream).await;
    guard.logged(["1 restored"]).await;
    assert_eq!(status(&guard, "203.0.113.9", "/").await, 403, "restarted");
    assert_eq!(status(&guard, "203.0.113.10", "/").await, 200);
    assert_eq!(status(&guard, "203.0.113.11", "/.env").await, 403);
    // Automatic bans are durable within 100 ms.
    sleep(Duration::from_millis(200)).await;
    drop(guard); // SIGKILL

    let guard = start(&folder, &upstream).await;
    for client in ["203.0.113.9", "203.0.113.11"] {
        assert_eq!(status(&guard, client, "/").await, 403, "{client}");
    }
    assert_eq!(status(&guard, "203.0.113.10", "/").await, 200);
}

#[tokio::test]
async fn successor_of_a_handover_takes_over_the_bans() {
    let (folder, upstream) = (folder("state-handover"), Backend::start().await);
    let socket = folder.path().join("guard.sock");
    let args = ["--handover", socket.to_str().unwrap(), "--grace", "5"];
    let old = start_on("127.0.0.1:0", folder.path(), &upstream, &args).await;
    assert_eq!(status(&old, "203.0.113.9", "/.env").await, 403);

    let listen = old.addr().to_string();
    let new = start_on(&listen, folder.path(), &upstream, &args).await;
    old.logged(["a new guard accepts connections"]).await;
    for _ in 0..100 {
        if status(&new, "203.0.113.9", "/").await == 403 {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("not banned by the successor:\n{}", new.log());
}
