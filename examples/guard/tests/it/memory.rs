//! The memory that clients take.

use std::{fs, time::Duration};

use gabion_testkit::{RawServer, eventually};
use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::support::Guard;

/// More than one client that does not read may take.
const MOST_BYTES: u64 = 200 * 1024;

const CLIENTS: u64 = 50;

/// The bytes of a process's own memory.
#[expect(
    clippy::disallowed_methods,
    reason = "the test reads a process's state"
)]
fn memory(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss_Anon:"));
    let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

/// Sends a response of 64 MiB until nothing is taken for half a second.
async fn respond(upstream: RawServer) {
    loop {
        let mut request = upstream.accept().await;
        request.head().await;
        tokio::spawn(async move {
            let mut stream = request.into_stream();
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            let chunk = vec![b'x'; 1 << 16];
            let patience = Duration::from_millis(500);
            while let Ok(Ok(())) = timeout(patience, stream.write_all(&chunk)).await {}
            std::future::pending::<()>().await;
        });
    }
}

#[tokio::test]
async fn client_that_does_not_read_takes_little_memory() {
    let upstream = RawServer::bind().await;
    let url = upstream.url();
    tokio::spawn(respond(upstream));
    let guard = Guard::start(&["--upstream", &url]).await;
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut first = guard.connect().await;
    first.send(get).await;
    first.head().await;
    let before = memory(guard.pid());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = guard.connect().await;
        client.send(get).await;
        clients.push(client);
    }
    let mut last = 0;
    let settled = eventually(|| {
        let now = memory(guard.pid());
        let is_settled = now == last;
        last = now;
        is_settled.then_some(now)
    });
    let each = (settled.await.unwrap() - before) / CLIENTS;
    assert!(each < MOST_BYTES, "{each} bytes for each client");
    println!("{each} bytes for each client");
}
