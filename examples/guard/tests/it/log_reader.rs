//! A log that nobody reads: the guard answers and stops as if it were read, and counts what is lost.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::support::Guard;

/// The size of a pipe on Linux.
const PIPE: usize = 64 * 1024;

/// The status of a request that the demo policy takes for one of this client.
async fn answers(guard: &Guard, client: usize, target: &str) -> u16 {
    let headers = format!("X-Forwarded-For: 198.51.100.{client}\r\n");
    let mut connection = guard.connect().await;
    let response = timeout(Duration::from_secs(5), connection.get(target, &headers));
    let response = response.await.expect("an answer in time");
    response.expect("a response").status.as_u16()
}

/// Logs more than a pipe holds: about 90 lines per second, each of about 1 KB.
async fn fill_pipe(guard: &Guard) {
    let long = format!("/.env/{}", "x".repeat(500));
    for _ in 0..7 {
        for client in 1..100 {
            assert_eq!(answers(guard, client, &long).await, 403);
        }
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn full_pipe_delays_no_request_and_lost_lines_are_counted() {
    let mut guard = Guard::start_unread(&["--grace", "1"]).await;
    fill_pipe(&guard).await;
    assert_eq!(answers(&guard, 200, "/").await, 200);
    guard.read_log();
    guard
        .logged([
            "WARN guard::log: ",
            " log lines were lost",
            "standard error",
        ])
        .await;
    assert!(guard.log().len() > PIPE, "the pipe was full");
}

#[tokio::test]
async fn full_pipe_delays_no_stop() {
    let mut guard = Guard::start_unread(&["--grace", "1"]).await;
    fill_pipe(&guard).await;
    guard.signal("TERM");
    assert!(guard.wait_for_exit().await.success());
}

#[tokio::test]
async fn closed_log_changes_no_answer() {
    let mut guard = Guard::start_unread(&["--grace", "1"]).await;
    guard.close_log();
    for client in 1..5 {
        assert_eq!(answers(&guard, client, "/.env").await, 403);
        assert_eq!(answers(&guard, client + 5, "/").await, 200);
    }
    guard.signal("TERM");
    assert!(guard.wait_for_exit().await.success());
}
