//! Slow clients. Those that make progress must be served; those that stall must be cut off.

use std::{io, net::SocketAddr, time::Duration};

use gabion_testkit::RawConnection;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    select,
    time::{Instant, sleep, timeout},
};

use crate::{
    body,
    traffic::{Client, StopSignal, forwarded, new_address, returning_address},
};

/// A client that sends header after header and never ends the head.
pub(super) struct SlowHeads {
    addr: SocketAddr,
    stop: StopSignal,
}

/// A client that stops within a body.
pub(super) struct StalledBodies {
    addr: SocketAddr,
}

/// A client that sends a body byte by byte.
pub(super) struct SlowBodies {
    addr: SocketAddr,
    index: usize,
}

/// A client that reads a response slowly.
pub(super) struct SlowReaders {
    addr: SocketAddr,
    index: usize,
}

/// A client that reads half of a large response, and the rest after a pause.
pub(super) struct PausedDownloads {
    addr: SocketAddr,
    index: usize,
}

/// A client whose upload of unknown length lasts longer than several policies.
pub(super) struct LongUploads {
    addr: SocketAddr,
    index: usize,
}

/// A client that requests a large response, does not read it, and disconnects.
pub(super) struct AbortedDownloads {
    addr: SocketAddr,
    index: usize,
}

/// guard's timeouts: for a head, and for progress of a body, up to twice `--timeout`.
const HEAD: Duration = Duration::from_secs(75);
const STALL: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(5);

const LARGE: usize = 1 << 20;

/// The pause of a download: well below half of guard's `--send-timeout`. If the packet is lost with which the system
/// announces room again, the sender finds that out by a probe, after at most the length of the pause once more
/// (RFC 9293, 3.8.6.1).
const PAUSE: Duration = Duration::from_secs(3);

/// The seconds of a long upload, in which eight policies are written.
const UPLOAD_SECONDS: usize = 40;

// === impl SlowHeads ===

impl SlowHeads {
    pub(super) const fn new(addr: SocketAddr, stop: StopSignal) -> Self {
        Self { addr, stop }
    }

    /// Sends one more header per second until guard closes the connection.
    async fn send_slowly(addr: SocketAddr) -> io::Result<Duration> {
        let mut stream = TcpStream::connect(addr).await?;
        let start = Instant::now();
        stream.write_all(b"GET /bytes/1 HTTP/1.1\r\n").await?;
        loop {
            let read = timeout(Duration::from_secs(1), stream.read(&mut [0; 1024])).await;
            match read {
                Ok(Ok(1..)) => {}
                Ok(_) => return Ok(start.elapsed()),
                Err(_) if start.elapsed() > HEAD + SLACK => return Ok(start.elapsed()),
                // If guard has closed the connection, the next read reports it.
                Err(_) => drop(stream.write_all(b"X-More: 1\r\n").await),
            }
        }
    }
}

impl Client for SlowHeads {
    async fn run(&mut self) -> Result<(), String> {
        let duration = select! {
            () = self.stop.stopped() => return Ok(()),
            duration = Self::send_slowly(self.addr) => duration.map_err(|error| error.to_string())?,
        };
        if duration > HEAD + SLACK {
            return Err(format!("an unfinished head was accepted for {duration:?}"));
        }
        Ok(())
    }
}

// === impl StalledBodies ===

impl StalledBodies {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }
}

impl Client for StalledBodies {
    async fn run(&mut self) -> Result<(), String> {
        let mut wire = RawConnection::connect(self.addr).await;
        let start = Instant::now();
        wire.send(&upload(new_address(), 100)).await;
        wire.send(b"x").await;
        let answer = timeout(STALL + SLACK, wire.response("POST")).await;
        match answer {
            Ok(Some(answer)) if answer.status == 408 => Ok(()),
            Ok(Some(answer)) => Err(format!("status {} for a stalled body", answer.status)),
            Ok(None) => Err("closed without a response".to_owned()),
            Err(_) => Err(format!("not closed after {:?}", start.elapsed())),
        }
    }
}

/// Returns the head of an upload.
fn upload(client: [u8; 4], length: usize) -> Vec<u8> {
    let header = forwarded(client);
    format!("POST /echo HTTP/1.1\r\nHost: app.example\r\nContent-Length: {length}\r\n{header}\r\n")
        .into_bytes()
}

/// Returns a request for `length` bytes.
pub(super) fn download(index: usize, length: usize) -> Vec<u8> {
    let header = forwarded(returning_address(index));
    format!("GET /bytes/{length}/{index} HTTP/1.1\r\nHost: app.example\r\n{header}\r\n")
        .into_bytes()
}

// === impl SlowBodies ===

impl SlowBodies {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self { addr, index }
    }
}

impl Client for SlowBodies {
    async fn run(&mut self) -> Result<(), String> {
        let mut wire = RawConnection::connect(self.addr).await;
        let sent = body(20, self.index as u64);
        wire.send(&upload(returning_address(self.index), sent.len()))
            .await;
        for byte in sent.chunks(1) {
            sleep(Duration::from_millis(250)).await;
            wire.send(byte).await;
        }
        match wire.response("POST").await {
            Some(answer) if answer.status == 200 && answer.body == sent => Ok(()),
            Some(answer) => Err(format!("status {} for a slow body", answer.status)),
            None => Err("closed during a slow body".to_owned()),
        }
    }
}

// === impl SlowReaders ===

impl SlowReaders {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self { addr, index }
    }

    async fn read_slowly(&self) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.addr).await?;
        let close = "Connection: close\r\n\r\n";
        let mut request = download(self.index, LARGE);
        request.splice(request.len() - 2.., close.bytes());
        stream.write_all(&request).await?;
        let mut got = Vec::new();
        let mut chunk = vec![0; 32 * 1024];
        loop {
            sleep(Duration::from_millis(100)).await;
            match timeout(STALL, stream.read(&mut chunk)).await?? {
                0 => return Ok(got),
                read => got.extend_from_slice(&chunk[..read]),
            }
        }
    }
}

impl Client for SlowReaders {
    async fn run(&mut self) -> Result<(), String> {
        let got = self
            .read_slowly()
            .await
            .map_err(|error| error.to_string())?;
        if !got.ends_with(&body(LARGE, self.index as u64)) {
            let first: Vec<_> = got.iter().copied().take(100).collect();
            let (length, first) = (got.len(), first.escape_ascii());
            return Err(format!("{length} bytes of a large response: {first}"));
        }
        Ok(())
    }
}

// === impl PausedDownloads ===

impl PausedDownloads {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self { addr, index }
    }

    async fn read_with_a_pause(&self, length: usize) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.addr).await?;
        let close = "Connection: close\r\n\r\n";
        let mut request = download(self.index, length);
        request.splice(request.len() - 2.., close.bytes());
        stream.write_all(&request).await?;
        let mut got = vec![0; length / 2];
        stream.read_exact(&mut got).await?;
        sleep(PAUSE).await;
        stream.read_to_end(&mut got).await?;
        Ok(got)
    }
}

impl Client for PausedDownloads {
    async fn run(&mut self) -> Result<(), String> {
        // More than all buffers on the path hold.
        let length = 16 * LARGE;
        let got = self.read_with_a_pause(length).await;
        let got = got.map_err(|error| error.to_string())?;
        if !got.ends_with(&body(length, self.index as u64)) {
            return Err(format!("{} of {length} bytes after a pause", got.len()));
        }
        Ok(())
    }
}

// === impl LongUploads ===

impl LongUploads {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self { addr, index }
    }
}

impl Client for LongUploads {
    async fn run(&mut self) -> Result<(), String> {
        let mut wire = RawConnection::connect(self.addr).await;
        let header = forwarded(returning_address(self.index));
        let head = format!(
            "POST /echo HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n{header}\r\n"
        );
        wire.send(head.as_bytes()).await;
        for _ in 0..UPLOAD_SECONDS {
            wire.send(b"1\r\nx\r\n").await;
            sleep(Duration::from_secs(1)).await;
        }
        wire.send(b"0\r\n\r\n").await;
        match wire.response("POST").await {
            Some(answer) if answer.status == 200 && answer.body.len() == UPLOAD_SECONDS => Ok(()),
            Some(answer) => Err(format!("status {} for a long upload", answer.status)),
            None => Err("closed during a long upload".to_owned()),
        }
    }
}

// === impl AbortedDownloads ===

impl AbortedDownloads {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self { addr, index }
    }

    async fn abort(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.addr).await?;
        // 16 MiB: more than all buffers on the path hold.
        stream.write_all(&download(self.index, 16 * LARGE)).await?;
        sleep(Duration::from_secs(5)).await;
        Ok(())
    }
}

impl Client for AbortedDownloads {
    async fn run(&mut self) -> Result<(), String> {
        self.abort().await.map_err(|error| error.to_string())
    }
}
