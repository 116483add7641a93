//! The memory that incomplete request heads share.

use std::sync::Arc;

use gabion_proxy::ServeOptions;
use gabion_testkit::{ProxyServer, RawConnection, RawServer, Recorder, eventually};

use crate::support::Setup;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// What one large head takes beyond what is free, and a little more.
const MEMORY: usize = 44_000;
const LARGE: usize = 60_000;
/// Less than what is free for each.
const ORDINARY: usize = 15_000;

fn front(backend: &RawServer) -> (ProxyServer, Arc<Recorder>) {
    let events = Arc::<Recorder>::default();
    let setup = Setup {
        serve: ServeOptions::default()
            .with_head_memory(MEMORY)
            .with_sink(events.clone()),
        ..Setup::default()
    };
    (setup.before(&backend.url()), events)
}

/// The beginning of a head with so many bytes.
fn head(length: usize) -> String {
    let begin = "GET / HTTP/1.1\r\nHost: a\r\nCookie: ";
    format!("{begin}{}", "c".repeat(length - begin.len()))
}

/// Waits until all that was sent was read.
async fn sent(front: &ProxyServer, head: &str) -> RawConnection {
    let mut client = front.connect().await;
    client.send(head).await;
    client.quiet(std::time::Duration::from_millis(100)).await;
    client
}

async fn assert_served(client: &mut RawConnection, backend: &RawServer) {
    drop(backend.answer(OK).await);
    client.until("ok").await;
}

#[tokio::test]
async fn large_heads_are_closed_when_no_memory_is_left_and_ordinary_ones_are_not() {
    let backend = RawServer::bind().await;
    let (front, events) = front(&backend);
    let mut first = sent(&front, &head(LARGE)).await;
    let mut second = front.connect().await;
    second.send(head(LARGE)).await;
    assert_eq!(second.end().await, "");
    let refused = "connection of 127.0.0.1 refused: its incomplete request head is large, and those of all \
                   connections take as much memory as they may";
    let texts = eventually(|| Some(events.take_texts()).filter(|texts| !texts.is_empty()));
    assert_eq!(texts.await.unwrap(), [refused]);

    let mut ordinary = sent(&front, &head(ORDINARY)).await;
    ordinary.send("\r\n\r\n").await;
    assert_served(&mut ordinary, &backend).await;
    first.send("\r\n\r\n").await;
    assert_served(&mut first, &backend).await;
    assert_eq!(events.take_texts(), [""; 0]);
}

#[tokio::test]
async fn memory_is_free_again_after_a_head_and_after_its_connection() {
    let backend = RawServer::bind().await;
    let (front, _) = front(&backend);
    for _ in 0..3 {
        drop(sent(&front, &head(LARGE)).await);
        let mut kept = sent(&front, &head(LARGE)).await;
        kept.send("\r\n\r\n").await;
        assert_served(&mut kept, &backend).await;
        let mut next = sent(&front, &head(LARGE)).await;
        next.send("\r\n\r\n").await;
        assert_served(&mut next, &backend).await;
    }
}

#[tokio::test]
async fn empty_lines_before_a_head_count_and_a_body_does_not() {
    let backend = RawServer::bind().await;
    let (front, _) = front(&backend);
    let _first = sent(&front, &"\r\n".repeat(LARGE / 2)).await;
    let mut second = front.connect().await;
    second.send("\r\n".repeat(LARGE / 2)).await;
    assert_eq!(second.end().await, "");

    let mut upload = front.connect().await;
    upload
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
        .await;
    upload.send("x".repeat(300_000)).await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    upstream.discard_until("x").await;
    upstream.send(OK).await;
    upload.until("ok").await;
}
