//! A WebSocket client that reads and writes single frames.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout_at},
};

/// The first byte and the unmasked payload of a frame.
pub type Frame = (u8, Vec<u8>);

/// The client end of an open WebSocket.
#[derive(Debug)]
pub struct RawWebSocket {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// A masked frame with at most 65,535 bytes of payload. `first` holds FIN, the RSV bits and the opcode
/// (RFC 6455, 5.2).
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x5a, 0, 0xff, 7];
    let mut frame = vec![first];
    let len = u16::try_from(payload.len()).unwrap();
    let [high, low] = len.to_be_bytes();
    match len {
        0..126 => frame.push(0x80 | low),
        _ => frame.extend([0xFE, high, low]),
    }
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

impl RawWebSocket {
    /// A whole text message.
    pub const TEXT: u8 = 0x81;
    /// The first frame of a fragmented text message.
    pub const FIRST: u8 = 0x01;
    /// A frame in the middle of a fragmented message.
    pub const CONTINUATION: u8 = 0x00;
    /// The last frame of a fragmented message.
    pub const LAST: u8 = 0x80;
    /// A whole compressed text message (RFC 7692, 7.2).
    pub const COMPRESSED: u8 = 0xC1;
    /// A ping.
    pub const PING: u8 = 0x89;
    /// A pong.
    pub const PONG: u8 = 0x8A;

    /// Wraps the stream of an open WebSocket.
    pub const fn new(stream: TcpStream) -> Self {
        let unread = Vec::new();
        Self { stream, unread }
    }

    /// Sends bytes as given.
    pub async fn send(&mut self, frames: &[u8]) {
        self.try_send(frames).await.unwrap();
    }

    /// Sends bytes as given; fails if the connection is closed.
    pub async fn try_send(&mut self, frames: &[u8]) -> io::Result<()> {
        self.stream.write_all(frames).await
    }

    /// The next frame; `None` if the connection ended or was reset. Cancel safe.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, len)) = parse(&self.unread) {
                self.unread.drain(..len);
                return Some(frame);
            }
            match self.stream.read_buf(&mut self.unread).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    }

    /// Answers pings for `time`. Returns all other frames received, and the number of pings.
    pub async fn answer_pings(&mut self, time: Duration) -> (Vec<Frame>, usize) {
        let (mut others, mut pings) = (Vec::new(), 0);
        let until = Instant::now() + time;
        while Instant::now() < until
            && let Ok(received) = timeout_at(until, self.next()).await
        {
            let (first, payload) = received.expect("the socket stays open");
            if first == Self::PING {
                pings += 1;
                self.send(&frame(Self::PONG, &payload)).await;
            } else {
                others.push((first, payload));
            }
        }
        (others, pings)
    }

    /// Sends nothing until the connection ends. Returns the time until then and the frames received.
    ///
    /// # Panics
    ///
    /// If the connection is open after 5 seconds.
    pub async fn read_to_end(&mut self) -> (Duration, Vec<Frame>) {
        let (since, mut received) = (Instant::now(), Vec::new());
        let until = since + Duration::from_secs(5);
        while let Some(frame) = timeout_at(until, self.next()).await.expect("an end in 5 s") {
            received.push(frame);
        }
        (since.elapsed(), received)
    }
}

/// The first frame of `bytes` and its length; `None` if it is incomplete.
fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let (&short, rest) = rest.split_first()?;
    let (len, rest) = match short {
        0..126 => (usize::from(short), rest),
        126 => {
            let (long, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*long)), rest)
        }
        other => panic!("a length of {other:#x}"),
    };
    let payload = rest.get(..len)?;
    let taken = bytes.len() - rest.len() + len;
    Some(((first, payload.to_vec()), taken))
}
