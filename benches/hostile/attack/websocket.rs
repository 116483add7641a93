//! Hostile clients over WebSockets.

use std::{io, time::Duration};

use gabion_benches::websocket::TEXT;
use miniz_oxide::deflate::compress_to_vec;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::ReadHalf},
    select,
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::interval,
};

use super::Client;

/// A handshake with the sample key of RFC 6455, 1.3, and an offer to compress messages.
const HANDSHAKE: &[u8] = b"GET /socket HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The first bit of a frame that ends a message, and that of a compressed message (RFC 7692, 7.2).
const FIN: u8 = 0x80;
const COMPRESSED: u8 = 0x40;

/// The first byte of a ping and of a pong (RFC 6455, 5.5).
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// The ticks per second at which the frames of a flood are sent.
const TICKS: u32 = 50;

impl Client<'_> {
    /// Sends messages of 64 KiB that take 86 bytes compressed.
    pub(super) async fn inflation(self) -> io::Result<()> {
        let message = frame(FIN | COMPRESSED | TEXT, &deflated());
        let burst = message.repeat((self.kind.rate / TICKS) as usize);
        self.send_after_handshake(&[], &burst).await
    }

    /// Sends the first fragment of a message.
    pub(super) async fn fragment(self) -> io::Result<()> {
        let fragment = frame(TEXT, &vec![b'x'; 60_000]);
        self.send_after_handshake(&fragment, &[]).await
    }

    /// Opens a WebSocket, and sends `first`, and a burst per tick, until the connection ends. Answers pings.
    async fn send_after_handshake(mut self, first: &[u8], burst: &[u8]) -> io::Result<()> {
        open(&mut self.stream).await?;
        let (reads, mut writes) = self.stream.split();
        let (answers, mut to_send) = unbounded_channel::<Vec<u8>>();
        let sending = async {
            writes.write_all(first).await?;
            let mut ticks = interval(Duration::from_secs(1) / TICKS);
            loop {
                select! {
                    Some(pong) = to_send.recv() => writes.write_all(&pong).await?,
                    _ = ticks.tick(), if !burst.is_empty() => writes.write_all(burst).await?,
                }
            }
        };
        select! {
            ended = read(reads, &answers) => ended,
            failed = sending => failed,
        }
    }
}

/// Reads frames until the connection ends, and passes on the answers to pings. All frames of the upstream server
/// and of guard are short, and not masked.
async fn read(mut reads: ReadHalf<'_>, answers: &UnboundedSender<Vec<u8>>) -> io::Result<()> {
    let mut bytes = Vec::new();
    while reads.read_buf(&mut bytes).await? > 0 {
        while let Some((&[first, length], rest)) = bytes.split_first_chunk::<2>()
            && let Some(payload) = rest.get(..usize::from(length))
        {
            if first == PING {
                // The sending half ends only with the connection.
                let _ = answers.send(frame(PONG, payload));
            }
            bytes.drain(..2 + usize::from(length));
        }
    }
    Ok(())
}

/// Opens a WebSocket.
async fn open(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(HANDSHAKE).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if head.starts_with(b"HTTP/1.1 101 ") {
        Ok(())
    } else {
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

/// A text of 64 KiB as a compressed message. The final block is followed by an empty one (RFC 7692, 7.2.3.4).
fn deflated() -> Vec<u8> {
    let mut deflated = compress_to_vec(&vec![b'x'; 64 * 1024], 9);
    deflated.push(0);
    deflated
}

/// A frame with this first byte, masked with a key of zeros (RFC 6455, 5.2).
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    if let Ok(length @ ..126) = u8::try_from(payload.len()) {
        frame.push(0x80 | length);
    } else {
        let length = u16::try_from(payload.len()).expect("a short payload");
        frame.push(0xfe);
        frame.extend(length.to_be_bytes());
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}
