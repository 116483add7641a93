//! Clients can neither flood the log, nor hide lines in it, nor forge its fields.

use gabion_testkit::{LoopbackServer, TempFolder};

use crate::support::Guard;

const SECRET: &str = "5ecret";

/// Sends a GET of this client, whom the demo policy knows by a header, and returns the status.
async fn get(guard: &Guard, client: &str, target: &str) -> u16 {
    let headers = format!("X-Forwarded-For: {client}\r\n");
    let response = guard.connect().await.get(target, &headers).await;
    response.expect("a response").status.as_u16()
}

#[tokio::test]
async fn client_that_causes_failures_of_the_proxy_writes_a_bounded_log() {
    let closing = LoopbackServer::start(|stream| async { drop(stream) }).await;
    let guard = Guard::start(&["--upstream", &closing.url()]).await;
    let long = format!("/{}", "x".repeat(45_000));
    for _ in 0..300 {
        assert_eq!(guard.status(&long).await, 502);
    }
    let method = "M".repeat(50_000);
    for target in ["/", "/.env"] {
        let mut client = guard.connect().await;
        client
            .send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        client.head().await;
    }
    guard.logged(["log limit: ", "127.0.0.1"]).await;
    let written = guard.log();
    assert!(written.contains("answered 502 by the proxy"), "{written}");
    // 13.5 MB arrived; 5 lines of at most 3 KB are written per second.
    assert!(written.len() < 1_000_000, "{} bytes", written.len());
    assert!(written.lines().all(|line| line.len() < 3_000), "{written}");
}

#[tokio::test]
async fn ban_is_logged_during_a_flood_of_denials() {
    let guard = Guard::start(&[]).await;
    for _ in 0..20 {
        assert_eq!(get(&guard, "203.0.113.7", "/.env").await, 403);
    }
    for client in 0..150 {
        get(&guard, &format!("198.51.100.{client}"), "/.env").await;
    }
    for nth in 1..=3 {
        get(&guard, "203.0.113.7", &format!("/ban-me/{nth}")).await;
    }
    guard
        .logged(["WARN gabion: 203.0.113.7/32 banned for 60 s by rule "])
        .await;
}

#[tokio::test]
async fn no_client_can_forge_a_field() {
    let folder = TempFolder::new("forge");
    let policy = "version = 1\n[server]\nhosts = ['a.example']\n[[deny]]\nid = 'names'\nnames = ['.env.*']\n";
    let policy = folder.replace("policy.toml", policy);
    let guard = Guard::start(&["--policy", &policy]).await;
    let forged = "x matched=y client=9.9.9.9 status=200";
    for (target, host) in [
        ("/", format!("a.example {forged}")),
        ("/", format!("a.example\" {forged} z=\"")),
        (
            "/.env.x%20client=9.9.9.9%20status=200",
            "a.example".to_owned(),
        ),
        (
            "/.env.x?a%20client=9.9.9.9&client=9.9.9.9",
            "a.example".to_owned(),
        ),
        ("/<%20client=9.9.9.9", "a.example".to_owned()),
    ] {
        let mut client = guard.connect().await;
        client
            .send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        assert!(client.head().await.starts_with("HTTP/1.1 4"), "{target}");
    }
    guard.logged(["not a request"]).await;
    let log = guard.log();
    assert!(log.contains("9.9.9.9"), "the matched bytes stay: {log}");
    for line in log.lines() {
        assert!(!unquoted(line).contains("9.9.9.9"), "{line}");
        assert!(!unquoted(line).contains("status=200"), "{line}");
        // A tool that does not know quotes takes the first field of a name.
        let first = line.split_once("client=").map(|(_, rest)| rest);
        let is_forged = first.is_some_and(|rest| !rest.starts_with("127.0.0.1 "));
        assert!(!is_forged || line.contains("peer=127.0.0.1 "), "{line}");
    }
}

/// The text of a line outside of double quotes.
fn unquoted(line: &str) -> String {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let outside = line.chars().filter(|&char| {
        is_quoted ^= char == '"' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        !is_quoted
    });
    outside.collect()
}

#[tokio::test]
async fn query_values_are_logged_only_on_demand() {
    for (args, is_shown) in [(&[][..], false), (&["--log-query-values"], true)] {
        let guard = Guard::start(args).await;
        let target = format!("/.env?token={SECRET}&{SECRET}");
        assert_eq!(guard.status(&target).await, 403);
        let mut client = guard.connect().await;
        let line = format!("GET //me:{SECRET}@a/<?token={SECRET}");
        client
            .send(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        client.head().await;
        guard
            .logged(["rule=never/env", "target=\"/.env?token="])
            .await;
        guard.logged(["not a request", "line=\"GET //"]).await;
        assert_eq!(guard.log().contains(SECRET), is_shown, "{}", guard.log());
    }
}
