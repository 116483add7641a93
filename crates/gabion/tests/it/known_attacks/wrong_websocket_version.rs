//! websocket-smuggle, first scenario (0ang3el, "What's wrong with WebSocket APIs", Hacktivity 2019):
//! the server refuses the version of a handshake, and a proxy that did not look tunnels all the same.
//!
//! Only 101 opens a tunnel, so nothing that follows a refused handshake reaches the server.

use super::stage::{ACCEPT, ASK, SMUGGLED, Stage, answers};

#[tokio::test]
async fn guard_says_which_version_and_ends() {
    let stage = Stage::set().await;
    let ask = ASK.replace("Version: 13", "Version: 1337");
    let mut client = stage.client(&format!("{ask}{SMUGGLED}")).await;
    let answer = client.end().await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    for line in [
        "sec-websocket-version: 13",
        "upgrade: websocket",
        "connection: close, upgrade",
    ] {
        assert!(
            answer.contains(&format!("\r\n{line}\r\n")),
            "{line}: {answer}"
        );
    }
    assert_eq!(answers(&answer), 1, "{answer}");
    assert_eq!(stage.rules(), ["upgrade/version"]);
    stage.is_untouched().await;
}

#[tokio::test]
async fn refusal_by_the_server_ends_too() {
    let stage = Stage::observing().await;
    let ask = ASK.replace("Version: 13", "Version: 1337");
    let mut client = stage.client(&format!("{ask}{SMUGGLED}")).await;
    let refusal = "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n\
                   content-length: 0\r\n\r\n";
    let (mut server, head) = stage.answer(refusal).await;
    assert!(head.starts_with("GET /ws "), "{head}");
    let answer = client.end().await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert_eq!(answers(&answer), 1, "{answer}");
    assert_eq!(server.soon().await, "");
    stage.is_untouched_but_for(&mut server).await;
}

#[tokio::test]
async fn right_version_opens() {
    let stage = Stage::set().await;
    let mut client = stage.client(ASK).await;
    let (mut server, _) = stage.answer(ACCEPT).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.send("ping").await;
    server.until("ping").await;
    assert!(stage.rules().is_empty());
}
