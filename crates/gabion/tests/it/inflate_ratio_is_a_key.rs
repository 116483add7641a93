//! Honest messages that compress well pass; `max_inflate_ratio` refuses them, and its refusal names
//! the key.

use std::sync::Arc;

use gabion_testkit::{RawWebSocket, Recorder, frame};

use crate::support::{
    deflate::Deflater,
    echo::{GuardedEcho, TRUSTING, echo_behind},
    guarded_proxy::builder,
};

const CLIENT: &str = "203.0.113.9";
const DEFLATE: &str = "sec-websocket-extensions: permessage-deflate\r\n";

async fn server(limits: &str, events: Arc<Recorder>) -> GuardedEcho {
    let policy = format!(
        "{TRUSTING}[upgrade]\ncompression = 'inflate'\n{limits}\n[[message]]\nid = 'word'\n\
         contains = 'attack'\n"
    );
    echo_behind(builder(events).with_policy(&policy, "policy").unwrap()).await
}

/// JSON of this many zeros, compressed to a frame.
fn zeros(count: usize) -> Vec<u8> {
    let json = format!("[{}0]", "0,".repeat(count - 1));
    frame(
        RawWebSocket::COMPRESSED,
        &Deflater::new().message(json.as_bytes()),
    )
}

async fn open(server: &GuardedEcho) -> RawWebSocket {
    RawWebSocket::new(server.open_with("/granting", CLIENT, DEFLATE).await.0)
}

#[tokio::test]
async fn json_of_zeros_passes_by_default() {
    let events = Arc::new(Recorder::default());
    let server = server("", events.clone()).await;
    // 100 KB, and nearly as much as a message may have.
    for count in [50_000, 524_000] {
        let before = server.received().len();
        let sent = zeros(count);
        assert!(2 * count > 500 * sent.len(), "{} bytes", sent.len());
        open(&server).await.send(&sent).await;
        server.wait_for_received(before + sent.len()).await;
    }
    assert_eq!(events.take_texts(), [""; 0]);
}

#[tokio::test]
async fn configured_ratio_closes_with_advice_that_helps() {
    let events = Arc::new(Recorder::default());
    let server = server("max_inflate_ratio = 100", events.clone()).await;
    // Up to 64 KiB the ratio does not matter.
    let small = zeros(32_000);
    open(&server).await.send(&small).await;
    server.wait_for_received(small.len()).await;
    assert_eq!(events.take_texts(), [""; 0]);

    let mut socket = open(&server).await;
    socket.send(&zeros(50_000)).await;
    assert_eq!(socket.read_to_end().await.1, [(0x88, b"\x03\xf1".to_vec())]);
    let texts = events.take_texts();
    let [end, diagnosis] = &*texts else {
        panic!("{texts:?}")
    };
    assert!(
        end.contains("closed with 1009: rule message/inflates (in the frame at byte 0)"),
        "{end}"
    );
    assert!(
        diagnosis.contains("rule message/inflates: [upgrade] max_inflate_ratio is 100"),
        "{diagnosis}"
    );
}
