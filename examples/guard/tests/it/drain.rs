//! Shutdown: Ctrl-C and SIGTERM drain connections.

use std::{process::Command, time::Duration};

use futures_util::{StreamExt as _, future::join_all};
use gabion_testkit::{RawConnection, RawServer, TempFolder, eventually};
use tokio::time::Instant;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::{Guard, text};

/// Sends SIGTERM right after the first line of the start text.
const STOP_AT_ONCE: &str = r#"
mkfifo "$2"
"$1" --listen 127.0.0.1:0 > "$2" &
exec 3< "$2"
read -r line <&3
kill -TERM $!
wait $!
"#;

#[tokio::test]
async fn open_request_is_finished_and_new_connections_are_refused() {
    for signal in ["INT", "TERM"] {
        let slow = RawServer::bind().await;
        let url = slow.url();
        let mut guard = Guard::start(&["--upstream", &url]).await;
        let mut wire = guard.connect().await;
        wire.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await;
        let mut upstream = slow.accept().await;
        upstream.head().await;
        guard.signal(signal);
        guard.logged(["no new connections"]).await;
        let refused = eventually(|| std::net::TcpStream::connect(guard.addr()).err());
        assert!(refused.await.is_some(), "it still accepts connections");
        upstream
            .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
            .await;
        let response = wire.response("GET").await.expect("the delayed response");
        assert_eq!((response.status.as_u16(), &*response.text()), (200, "slow"));
        assert!(guard.wait_for_exit().await.success());
        guard.logged(["stopped; all connections finished"]).await;
    }
}

#[tokio::test]
async fn request_longer_than_the_grace_period_is_cut_and_counted() {
    let slow = RawServer::bind().await;
    let url = slow.url();
    let mut guard = Guard::start(&["--upstream", &url, "--grace", "1"]).await;
    let mut wire = RawConnection::connect(guard.addr()).await;
    wire.send(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let mut upstream = slow.accept().await;
    upstream.head().await;
    guard.signal("INT");
    assert!(guard.wait_for_exit().await.success());
    guard
        .logged(["stopped; closed 1 connection and 0 WebSockets"])
        .await;
    assert!(wire.response("GET").await.is_none());
}

#[tokio::test]
async fn websockets_are_closed_with_1012_spread_over_half_the_grace_period() {
    let mut guard = Guard::start(&["--grace", "4"]).await;
    let url = format!("ws://{}/ws", guard.addr());
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(connect_async(&url).await.unwrap().0);
    }
    guard.signal("INT");
    guard.logged(["no new connections"]).await;
    let began = Instant::now();
    // Concurrently: waiting for one after the other would hide earlier closes.
    let ends = sockets.iter_mut().map(async |socket| {
        let Message::Close(Some(close)) = socket.next().await.unwrap().unwrap() else {
            panic!("no close");
        };
        assert_eq!(u16::from(close.code), 1012);
        assert!(socket.next().await.is_none());
        began.elapsed()
    });
    let ends = join_all(ends).await;
    let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
    assert!(*last < Duration::from_secs(3), "{ends:?}");
    let spread = last.saturating_sub(*first);
    assert!(spread > Duration::from_millis(100), "{ends:?}");
    assert!(guard.wait_for_exit().await.success());
    guard.logged(["stopped; all connections finished"]).await;
}

#[test]
fn sigterm_right_after_the_start_drains() {
    let folder = TempFolder::new("at-once");
    for nth in 0..20 {
        let mut at_once = Command::new("timeout");
        at_once.args([
            "15",
            "sh",
            "-c",
            STOP_AT_ONCE,
            "sh",
            env!("CARGO_BIN_EXE_guard"),
        ]);
        let output = at_once
            .arg(folder.file(&format!("pipe-{nth}")))
            .output()
            .unwrap();
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{log}");
        assert!(log.contains("stopped; all connections finished"), "{log}");
    }
}

#[tokio::test]
async fn idle_connection_does_not_delay_the_shutdown() {
    let mut guard = Guard::start(&["--grace", "60"]).await;
    let mut wire = guard.connect().await;
    assert_eq!(wire.get("/", "").await.unwrap().status, 200);
    guard.signal("INT");
    assert!(guard.wait_for_exit().await.success());
    assert!(
        eventually(|| guard
            .log()
            .contains("all connections finished")
            .then_some(()))
        .await
        .is_some()
    );
}
