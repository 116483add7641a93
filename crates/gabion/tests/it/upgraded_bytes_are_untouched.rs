//! Bytes through an observed WebSocket pass unchanged, in both directions.

use std::{sync::Arc, time::Duration};

use gabion_testkit::Recorder;
use proptest::{
    prelude::{Strategy as _, any},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

use crate::support::{
    echo::{GuardedEcho, echo_behind},
    guarded_proxy::builder,
};

/// A little more than a megabyte without valid frames. They are parsed only if a policy requires
/// it.
fn noise() -> Vec<u8> {
    let mut runner = TestRunner::deterministic();
    let bytes = proptest::collection::vec(any::<u8>(), 1_100_000);
    bytes.new_tree(&mut runner).unwrap().current()
}

/// Masked frames with every form of head, among them fragments and pings.
fn frames() -> Vec<u8> {
    let (noise, mut frames) = (noise(), Vec::new());
    let key = [0x5a, 0, 0xff, 7];
    for len in [0, 1, 124, 125, 126, 127, 65_535, 65_536, 300_000_u32] {
        for first in [0x82, 0x01, 0x89, 0x00, 0x80_u8] {
            let len = if first == 0x89 { len.min(125) } else { len };
            let long = len.to_be_bytes();
            match len {
                0..126 => frames.extend([first, 0x80 | long[3]]),
                126..65_536 => frames.extend([first, 0xFE, long[2], long[3]]),
                _ => frames.extend([&[first, 0xFF, 0, 0, 0, 0], &long[..]].concat()),
            }
            frames.extend(key);
            frames.extend(&noise[..len as usize]);
        }
    }
    frames
}

async fn server(policy: &str) -> GuardedEcho {
    let events = Arc::new(Recorder::default());
    let guard = builder(events).with_policy(policy, "policy").unwrap();
    echo_behind(guard).await
}

const PLAIN: &str = "version = 1";
const TERMS: &str = "version = 1\n[upgrade]\nmax_message = '1MiB'\n";

/// Sends the bytes, closes the sending direction, and reads the echo to its end: the sending
/// direction of the service stays open until it has sent everything.
async fn assert_echoed<S: AsyncRead + AsyncWrite + Unpin>(stream: S, sent: Vec<u8>) {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut back = Vec::new();
    let sending = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let both = async { tokio::join!(sending, read.read_to_end(&mut back)) };
    let ((), read) = timeout(Duration::from_secs(20), both).await.unwrap();
    assert_eq!(read.unwrap(), sent.len());
    assert!(back == sent, "some byte is another");
}

#[tokio::test]
async fn noise_over_http1() {
    let server = server(PLAIN).await;
    assert_echoed(server.open_raw("/raw", "203.0.113.9").await, noise()).await;
}

#[tokio::test]
async fn noise_over_http2() {
    let server = server(PLAIN).await;
    assert_echoed(server.open_http2("/raw", "203.0.113.9").await, noise()).await;
}

#[tokio::test]
async fn observed_frames_over_http1() {
    let server = server(TERMS).await;
    assert_echoed(server.open_raw("/raw", "203.0.113.9").await, frames()).await;
}

#[tokio::test]
async fn observed_frames_over_http2() {
    let server = server(TERMS).await;
    assert_echoed(server.open_http2("/raw", "203.0.113.9").await, frames()).await;
}
