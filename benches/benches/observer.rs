//! The time of observing WebSocket frames, beside the parser of an endpoint (tungstenite).
//!
//! `cargo bench -p gabion-benches --bench observer`
//!
//! Both get the same masked text messages, one frame each, in pieces of tungstenite's read size.
//! tungstenite unmasks and validates messages and returns them. gabion is measured in three modes: frame
//! headers only, whole messages, and whole messages with rules (literals, a regular expression, a JSON
//! depth).

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may panic")]

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use gabion::{
    inspect::InspectMessage as _,
    inspect::{MessageDenials, MessageFacts, Now},
};
use gabion_benches::{
    Comparison, is_test, reference,
    websocket::{self, TEXT},
};
use gabion_frames::{Limits, MessageDecoding, Negotiated, Observer, Role, Seen};
use gabion_testkit::client_at;
use tungstenite::{Message, WebSocket, protocol};

/// The number of rounds.
const ROUNDS: usize = 51;

/// Bytes per read: the size of tungstenite's buffer.
const PIECE: usize = 128 << 10;

/// Total payload bytes of all messages in a round.
const BYTES: usize = 8 << 20;

/// A connection whose client has already sent all its bytes.
struct Sent<'b>(&'b [u8]);

fn main() {
    println!("{:<30}{:>10}{:>12}{:>9}", "", "bytes", "ns", "ratio");
    for len in [64, 1 << 10, 64 << 10] {
        compare(len);
    }
}

fn compare(len: usize) {
    let (rounds, count) = if is_test() {
        (1, 4)
    } else {
        (ROUNDS, BYTES / len)
    };
    let text = websocket::chat(len);
    let sent = websocket::frame(TEXT, text.as_bytes()).repeat(count);
    let (rules, client) = (websocket::rules().unwrap(), client_at(reference::CLIENT));
    let mut comparison = Comparison::new();
    comparison.add("tungstenite", || parse(&sent, count));
    comparison.add("gabion, heads only", || {
        watch(&sent, MessageDecoding::None, |seen| match seen {
            Seen::Frame { len, .. } => usize::try_from(len).unwrap(),
            _ => 0,
        })
    });
    comparison.add("gabion, messages", || {
        watch(&sent, MessageDecoding::All, |seen| match seen {
            Seen::Message { payload, .. } => payload.len(),
            _ => 0,
        })
    });
    comparison.add("gabion, messages and rules", || {
        watch(&sent, MessageDecoding::All, |seen| {
            let Seen::Message {
                payload, offset, ..
            } = seen
            else {
                return 0;
            };
            let message = MessageFacts {
                client: &client,
                path: "/socket",
                is_text: true,
                payload,
                offset,
                now: Now::new(Duration::ZERO, UNIX_EPOCH),
            };
            let mut denials = MessageDenials::default();
            rules.inspect_message(&message, &mut denials);
            assert!(!denials.are_final(), "no rule matches the message");
            payload.len()
        })
    });
    for timing in comparison.run(rounds, count) {
        let (name, nanos, ratio) = (timing.name, timing.nanos, timing.ratio);
        println!("{name:<30}{len:>10}{nanos:>12.1}{ratio:>9.2}");
    }
}

/// Returns the payload bytes that tungstenite reads.
fn parse(sent: &[u8], count: usize) -> usize {
    let mut socket = WebSocket::from_raw_socket(Sent(sent), protocol::Role::Server, None);
    let messages = (0..count).map(|_| socket.read().unwrap());
    messages.map(|message: Message| message.len()).sum()
}

/// Returns the sum of `see` over all observations of gabion.
fn watch(sent: &[u8], decoding: MessageDecoding, mut see: impl FnMut(Seen<'_>) -> usize) -> usize {
    let limits = Arc::new(Limits::new().with_max_message(1 << 20));
    let mut observer = Observer::new(Role::Client, limits, Negotiated::NONE, decoding);
    let mut bytes = 0;
    for mut piece in sent.chunks(PIECE) {
        while let Some(step) = observer.watch(&mut piece, Duration::ZERO).unwrap() {
            bytes += step.seen.map_or(0, &mut see);
        }
    }
    bytes
}

// === impl Sent ===

impl Read for Sent<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Sent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
