//! Frames made and read by hand, as a client does.

use std::time::Duration;

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout_at},
};

/// A socket whose frames are read one by one.
pub(crate) struct ByHand {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// A frame's first byte and its payload.
pub(crate) type Frame = (u8, Vec<u8>);

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;

/// The first frame of a text that goes on, one amid it, and its last.
pub(crate) const BEGIN: u8 = 0x01;
pub(crate) const AMID: u8 = 0x00;
pub(crate) const END: u8 = 0x80;

/// A whole text that is compressed.
pub(crate) const COMPRESSED: u8 = 0xC1;

/// A masked frame of at most 65,535 bytes.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
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

/// Compresses messages of one sender, each of which may refer back to those before (RFC 7692, 7.2.1).
pub(crate) struct Deflater(CompressorOxide);

impl Deflater {
    pub(crate) fn new() -> Self {
        let flags = create_comp_flags_from_zip_params(6, -15, 0);
        Self(CompressorOxide::new(flags))
    }

    pub(crate) fn message(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        compress_to_output(&mut self.0, text, TDEFLFlush::Sync, |bytes| {
            out.extend_from_slice(bytes);
            true
        });
        let tail = out.split_off(out.len() - 4);
        assert_eq!(tail, [0, 0, 0xFF, 0xFF]);
        out
    }
}

impl ByHand {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        let read = Vec::new();
        Self { stream, read }
    }

    pub(crate) async fn send(&mut self, frames: &[u8]) {
        self.stream.write_all(frames).await.unwrap();
    }

    /// The next frame; none where the socket has ended, or was cut. What is left off midway is read
    /// another time.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, len)) = whole(&self.read) {
                self.read.drain(..len);
                return Some(frame);
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    }

    /// Answers pings for a while, as every client does: what else has come, and how many pings.
    pub(crate) async fn answers(&mut self, time: Duration) -> (Vec<Frame>, usize) {
        let (mut others, mut pings) = (Vec::new(), 0);
        let until = Instant::now() + time;
        while Instant::now() < until
            && let Ok(came) = timeout_at(until, self.next()).await
        {
            let (first, payload) = came.expect("the socket stays open");
            if first == PING {
                pings += 1;
                self.send(&frame(PONG, &payload)).await;
            } else {
                others.push((first, payload));
            }
        }
        (others, pings)
    }

    /// Answers nothing: how long the socket stays open, and what has come.
    pub(crate) async fn stays_open(&mut self) -> (Duration, Vec<Frame>) {
        let (since, mut came) = (Instant::now(), Vec::new());
        let until = since + Duration::from_secs(5);
        while let Some(frame) = timeout_at(until, self.next()).await.expect("it ends") {
            came.push(frame);
        }
        (since.elapsed(), came)
    }
}

/// The frame that `bytes` begin with, and how long it is; none where it is not whole.
fn whole(bytes: &[u8]) -> Option<(Frame, usize)> {
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
