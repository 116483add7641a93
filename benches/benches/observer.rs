//! What reading along costs, beside an endpoint's own parser.
//!
//! `cargo bench -p gabion-benches --bench observer`
//!
//! All see the same masked text messages, of one frame each, in pieces as large as tungstenite reads
//! them. tungstenite unmasks, checks and hands out; so does gabion where it reads, and then judges by
//! rules: literals, an expression and a depth of JSON. Where it looks at heads only it passes the rest.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may stop")]

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use gabion::{
    Inspect as _,
    inspect::{MessageDenials, MessageFacts, Now},
};
use gabion_benches::{
    Race, is_test, reference,
    socket::{self, TEXT},
};
use gabion_frames::{Depth, Limits, Negotiated, Observer, Role, Seen};
use gabion_testkit::client_at;
use tungstenite::{Message, WebSocket, protocol};

/// How often everyone sees all messages.
const ROUNDS: usize = 51;

/// How many bytes come at once: tungstenite's own buffer.
const PIECE: usize = 128 << 10;

/// How many bytes all messages of a round have together.
const BYTES: usize = 8 << 20;

/// A connection whose client has sent all it has to say.
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
    let said = socket::chat(len);
    let sent = socket::frame(TEXT, said.as_bytes()).repeat(count);
    let (rules, client) = (socket::rules().unwrap(), client_at(reference::CLIENT));
    let mut race = Race::new();
    race.enter("tungstenite", || parse(&sent, count));
    race.enter("gabion, heads only", || {
        watch(&sent, Depth::Headers, |seen| match seen {
            Seen::Frame { len, .. } => usize::try_from(len).unwrap(),
            _ => 0,
        })
    });
    race.enter("gabion, messages", || {
        watch(&sent, Depth::Messages, |seen| match seen {
            Seen::Message { payload, .. } => payload.len(),
            _ => 0,
        })
    });
    race.enter("gabion, messages and rules", || {
        watch(&sent, Depth::Messages, |seen| {
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
            let mut objections = MessageDenials::default();
            rules.message(&message, &mut objections);
            assert!(!objections.are_final(), "nothing is wrong with it");
            payload.len()
        })
    });
    for finish in race.run(rounds, count) {
        let (name, nanos, ratio) = (finish.name, finish.nanos, finish.ratio);
        println!("{name:<30}{len:>10}{nanos:>12.1}{ratio:>9.2}");
    }
}

/// How many bytes an endpoint is given.
fn parse(sent: &[u8], count: usize) -> usize {
    let mut socket = WebSocket::from_raw_socket(Sent(sent), protocol::Role::Server, None);
    let messages = (0..count).map(|_| socket.read().unwrap());
    messages.map(|message: Message| message.len()).sum()
}

/// How many bytes who reads along sees.
fn watch(sent: &[u8], depth: Depth, mut see: impl FnMut(Seen<'_>) -> usize) -> usize {
    let limits = Arc::new(Limits::new().with_max_message(1 << 20));
    let mut observer = Observer::new(Role::Client, limits, Negotiated::NONE, depth);
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
