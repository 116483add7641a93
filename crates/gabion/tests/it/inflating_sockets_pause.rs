//! A socket whose messages inflate to many bytes lets the other tasks of its thread run after each
//! 64 KiB, so that other clients do not wait for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gabion_testkit::{RawWebSocket, Recorder, frame};
use tokio::{io::AsyncWriteExt as _, task::yield_now, time::timeout};

use crate::support::{
    deflate::Deflater,
    echo::{TRUSTING, echo_behind},
    guarded_proxy::builder,
};

const DEFLATE: &str = "sec-websocket-extensions: permessage-deflate\r\n";
/// An exempt client, for which no rates apply.
const EXEMPT: &str = "10.0.0.9";

/// On one thread: counts the messages that pass between two turns of another task.
#[tokio::test]
async fn other_tasks_run_after_each_64_kib() {
    let policy = format!(
        "{TRUSTING}[upgrade]\ncompression = 'inflate'\n[[message]]\nid = 'word'\n\
         contains = 'attack'\n"
    );
    let guard = builder(Arc::new(Recorder::default()));
    let server = Arc::new(echo_behind(guard.with_policy(&policy, "policy").unwrap()).await);
    let most = Arc::new(AtomicUsize::new(0));
    let other = tokio::spawn({
        let (server, most) = (server.clone(), most.clone());
        async move {
            let mut before = 0;
            loop {
                let received = server.received().len();
                most.fetch_max(received - before, Ordering::Relaxed);
                before = received;
                yield_now().await;
            }
        }
    });
    let (mut stream, _) = server.open_with("/granting", EXEMPT, DEFLATE).await;
    let bomb = frame(
        RawWebSocket::COMPRESSED,
        &Deflater::new().message(&vec![b'0'; 64 << 10]),
    );
    let sent = bomb.repeat(80);
    assert!(sent.len() < 8192, "all may arrive in one read");
    stream.write_all(&sent).await.unwrap();
    assert_eq!(server.wait_for_received(sent.len()).await, sent);
    // Two messages reach 64 KiB of growth; one more may have been inflated when they pass.
    let messages = most.load(Ordering::Relaxed).div_ceil(bomb.len());
    assert!(
        (1..=3).contains(&messages),
        "{messages} messages in one turn"
    );

    // Honest messages of the same size that hardly compress are not paused.
    most.store(0, Ordering::Relaxed);
    let honest = frame(RawWebSocket::TEXT, b"not compressed").repeat(80);
    stream.write_all(&honest).await.unwrap();
    server.wait_for_received(sent.len() + honest.len()).await;
    assert!(most.load(Ordering::Relaxed) > 3 * honest.len() / 80);
    other.abort();
}

#[tokio::test]
async fn pausing_socket_is_closed_at_once_by_a_ban() {
    let policy = format!(
        "{TRUSTING}[upgrade]\ncompression = 'inflate'\nclient_bytes = 'off'\n[[message]]\n\
         id = 'word'\ncontains = 'attack'\nthen = 'ban'\n"
    );
    let guard = builder(Arc::new(Recorder::default()));
    let server = echo_behind(guard.with_policy(&policy, "policy").unwrap()).await;
    let client = "203.0.113.9";
    let (mut stream, _) = server.open_with("/granting", client, DEFLATE).await;
    let bomb = frame(
        RawWebSocket::COMPRESSED,
        &Deflater::new().message(&vec![b'0'; 1 << 20]),
    );
    stream.write_all(&bomb.repeat(30)).await.unwrap();
    server.wait_for_received(1).await;
    let guard = server.guard();
    guard.ban(client.parse().unwrap(), Duration::from_mins(1), "by hand");
    let mut socket = RawWebSocket::new(stream);
    let end = timeout(Duration::from_secs(2), socket.next()).await;
    assert_eq!(end.unwrap(), Some((0x88, b"\x03\xf0".to_vec())));
}
