//! Pings to a silent upstream, and the close of a tunnel without pongs.

use gabion_testkit::{ProxyServer, RawConnection, RawServer};
use std::time::Duration;

use gabion_proxy::ProxyOptions;
use tokio::time::{sleep, timeout};

use crate::{support::Setup, websocket};

const EVERY: Duration = Duration::from_millis(200);

/// "hi" from a server, and "hello" from a client, masked with zeros.
const HI: &[u8] = b"\x81\x02hi";
const HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";

async fn open(ping: Option<Duration>) -> (ProxyServer, RawConnection, RawConnection) {
    let backend = RawServer::bind().await;
    let setup = Setup {
        proxy: ProxyOptions::default().with_ping(ping),
        ..Setup::default()
    };
    let front = setup.before(&backend.url());
    let (client, upstream) = websocket::open(&backend, &front).await;
    (front, client, upstream)
}

/// Reads a masked ping of the proxy and returns its payload.
pub(crate) async fn read_ping(upstream: &mut RawConnection) -> [u8; 8] {
    let [first, len, key @ ..]: [u8; 6] = upstream.bytes().await;
    assert_eq!((first, len), (0x89, 0x88));
    let mut tag: [u8; 8] = upstream.bytes().await;
    for (byte, key) in tag.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
    tag
}

pub(crate) fn pong(tag: [u8; 8]) -> Vec<u8> {
    [b"\x8a\x08", &tag[..]].concat()
}

#[tokio::test]
async fn silent_upstream_is_pinged_and_the_client_sees_no_pong() {
    let (front, mut client, mut upstream) = open(Some(EVERY)).await;
    // Without its pongs the tunnel would be closed after two pings.
    for _ in 0..4 {
        let tag = read_ping(&mut upstream).await;
        upstream.send(&pong(tag)).await;
    }
    client.quiet(EVERY / 4).await;
    upstream.send(HI).await;
    assert_eq!(&client.bytes::<4>().await, HI);
    assert_eq!(front.tunnels().open(), 1);
}

#[tokio::test]
async fn pong_to_the_proxy_is_removed_between_other_frames() {
    let (_front, mut client, mut upstream) = open(Some(EVERY)).await;
    let pong = pong(read_ping(&mut upstream).await);
    upstream
        .send(&[b"\x01\x01a", &pong[..], b"\x80\x01b"].concat())
        .await;
    assert_eq!(&client.bytes::<6>().await, b"\x01\x01a\x80\x01b");
    for byte in &pong {
        upstream.send(&[*byte]).await;
        sleep(EVERY / 100).await;
    }
    client.quiet(EVERY / 4).await;
    upstream.send(HI).await;
    assert_eq!(&client.bytes::<4>().await, HI);
}

#[tokio::test]
async fn other_pong_passes_whole_and_in_pieces() {
    let (_front, mut client, mut upstream) = open(Some(EVERY)).await;
    let (whole, half) = (b"\x8a\x03abc", b"\x8a\x03ab");
    upstream.send(whole).await;
    assert_eq!(&client.bytes::<5>().await, whole);
    upstream.send(half).await;
    sleep(EVERY / 10).await;
    upstream.send(b"c").await;
    assert_eq!(&client.bytes::<5>().await, whole);
    upstream.send(half).await;
    upstream.half_close().await;
    assert_eq!(
        client.end().await.into_bytes().len(),
        6,
        "0x8a is shown as three bytes"
    );
}

#[tokio::test]
async fn ping_waits_for_the_end_of_a_frame() {
    let (_front, mut client, mut upstream) = open(Some(EVERY)).await;
    let (begin, rest) = HELLO.split_at(7);
    client.send(begin).await;
    assert_eq!(upstream.bytes::<7>().await, begin);
    upstream.quiet(EVERY * 3).await;
    client.send(rest).await;
    assert_eq!(upstream.bytes::<4>().await, rest);
    let tag = read_ping(&mut upstream).await;
    upstream.send(&pong(tag)).await;
    // A ping may be sent between the fragments of a message.
    client.send(b"\x01\x80\0\0\0\0").await;
    assert_eq!(&upstream.bytes::<6>().await, b"\x01\x80\0\0\0\0");
    read_ping(&mut upstream).await;
}

#[tokio::test]
async fn active_upstream_is_not_pinged() {
    let (_front, mut client, mut upstream) = open(Some(EVERY)).await;
    for _ in 0..8 {
        sleep(EVERY / 2).await;
        upstream.send(HI).await;
        assert_eq!(&client.bytes::<4>().await, HI);
    }
    upstream.quiet(EVERY / 4).await;
}

#[tokio::test]
async fn no_ping_is_sent_after_a_close() {
    for by_client in [true, false] {
        let (_front, mut client, mut upstream) = open(Some(EVERY)).await;
        if by_client {
            client.send(b"\x88\x80\0\0\0\0").await;
            upstream.bytes::<6>().await;
        } else {
            upstream.send(b"\x88\x00").await;
            client.bytes::<2>().await;
        }
        tokio::join!(upstream.quiet(EVERY * 4), client.quiet(EVERY * 4));
    }
}

#[tokio::test]
async fn no_ping_is_sent_without_valid_frames() {
    let (_front, mut client, mut upstream) = open(Some(EVERY)).await;
    client.send("no frames at all").await;
    upstream.until("no frames at all").await;
    tokio::join!(upstream.quiet(EVERY * 4), client.quiet(EVERY * 4));
    upstream.send("none here either").await;
    client.until("none here either").await;
}

#[tokio::test]
async fn no_ping_is_sent_when_pings_are_off() {
    let (_front, mut client, mut upstream) = open(None).await;
    tokio::join!(upstream.quiet(EVERY * 4), client.quiet(EVERY * 4));
    // Every pong passes, also one that looks like a reply to the proxy.
    upstream.send(&pong([0; 8])).await;
    assert_eq!(client.bytes::<10>().await[..], pong([0; 8]));
}

#[tokio::test]
async fn unanswered_pings_close_the_tunnel() {
    let (front, mut client, mut upstream) = open(Some(EVERY)).await;
    let first = read_ping(&mut upstream).await;
    assert_eq!(read_ping(&mut upstream).await, first);
    client.quiet(EVERY / 2).await;
    assert_eq!(&client.bytes::<4>().await, b"\x88\x02\x03\xf3", "1011");
    drop(client);
    assert_eq!(upstream.end().await, "");
    while front.tunnels().open() > 0 {
        sleep(EVERY / 10).await;
    }
}

#[tokio::test]
async fn unanswered_pings_within_a_frame_end_the_tunnel_without_a_close_frame() {
    let (_front, mut client, mut upstream) = open(Some(EVERY)).await;
    upstream.send(b"\x81\x05he").await;
    assert_eq!(&client.bytes::<4>().await, b"\x81\x05he");
    assert_eq!(client.end().await, "");
}

#[tokio::test]
async fn upstream_stalled_by_a_slow_client_is_not_closed() {
    /// More than the socket buffers of the system hold.
    const LONG: usize = 64 << 20;
    let (front, mut client, mut upstream) = open(Some(EVERY)).await;
    let mut long = [b"\x82\x7f", &(LONG as u64).to_be_bytes()[..]].concat();
    long.resize(long.len() + LONG - 3, b'x');
    long.extend(b"end");
    let mut sending = std::pin::pin!(upstream.send(&long));
    let stalled = timeout(EVERY * 5, sending.as_mut()).await;
    assert!(stalled.is_err(), "unread bytes are buffered");
    assert_eq!(front.tunnels().open(), 1);
    let ((), seen) = tokio::join!(sending, client.discard_until("end"));
    assert_eq!(seen, long.len());
}
