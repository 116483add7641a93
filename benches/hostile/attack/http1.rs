//! Hostile clients over HTTP/1.1.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    select,
    time::{Instant, MissedTickBehavior, interval},
};

use super::Client;

const SECOND: Duration = Duration::from_secs(1);

/// Reads and drops all bytes until the connection ends.
async fn discard(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    while stream.read(&mut bytes).await? > 0 {}
    Ok(())
}

impl Client<'_> {
    /// Sends the beginning of a head, and the rest of it byte by byte.
    pub(super) async fn slow_head(self) -> io::Result<()> {
        let header = b"X-More: 1\r\n".iter().cycle();
        self.trickle("GET /page HTTP/1.1\r\nHost: app.example\r\n", header)
            .await
    }

    /// Announces a body, and sends it byte by byte.
    pub(super) async fn slow_body(self) -> io::Result<()> {
        let head = "POST /page HTTP/1.1\r\nHost: app.example\r\nContent-Length: 1000000\r\n\r\n";
        self.trickle(head, b"x".iter().cycle()).await
    }

    async fn trickle(mut self, head: &str, rest: impl Iterator<Item = &u8>) -> io::Result<()> {
        self.stream.write_all(head.as_bytes()).await?;
        let (mut reads, mut writes) = self.stream.split();
        let sending = async {
            let mut ticks = interval(SECOND / self.kind.rate);
            for byte in rest {
                ticks.tick().await;
                writes.write_all(&[*byte]).await?;
            }
            Ok(())
        };
        select! {
            ended = discard(&mut reads) => ended,
            failed = sending => failed,
        }
    }

    /// Requests a large response, and reads so many bytes of it per second.
    ///
    /// The end of the connection follows the bytes that are not read, so that the client would not see it. It
    /// therefore sends an empty line per second, which a closed socket answers with a reset, and which is no
    /// request (RFC 9112, 2.2).
    pub(super) async fn read_slowly(mut self, rate: u32) -> io::Result<()> {
        let request = b"GET /large/524288 HTTP/1.1\r\nHost: app.example\r\n\r\n";
        self.stream.write_all(request).await?;
        let mut bytes = vec![0; rate as usize];
        let mut ticks = interval(SECOND);
        loop {
            ticks.tick().await;
            self.stream.write_all(b"\r\n").await?;
            if rate > 0 && self.stream.read(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Makes a request, and no other.
    pub(super) async fn idle(mut self) -> io::Result<()> {
        let request = b"GET /page HTTP/1.1\r\nHost: app.example\r\n\r\n";
        self.stream.write_all(request).await?;
        self.read_some().await?;
        self.since.set(Instant::now());
        discard(&mut self.stream).await
    }

    /// Sends 60 KB of a head.
    pub(super) async fn partial_head(mut self) -> io::Result<()> {
        let header = format!("X-More: {}\r\n", "x".repeat(990));
        let head = format!(
            "GET /page HTTP/1.1\r\nHost: app.example\r\n{}",
            header.repeat(60)
        );
        self.stream.write_all(head.as_bytes()).await?;
        discard(&mut self.stream).await
    }

    /// Sends requests with this beginning and a target of 50 KB, one per tick; and nothing more when the attack
    /// waits for the end.
    pub(super) async fn long_targets(mut self, begin: &str) -> io::Result<()> {
        let target = "x".repeat(50_000);
        let request =
            format!("{begin}{target} HTTP/1.1\r\nHost: app.example\r\nContent-Length: 0\r\n\r\n");
        let mut ticks = interval(SECOND / self.kind.rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.state.waits.get() {
            ticks.tick().await;
            self.stream.write_all(request.as_bytes()).await?;
            self.read_some().await?;
            self.since.set(Instant::now());
        }
        discard(&mut self.stream).await
    }

    /// Reads the first bytes of a response, which is as good as the whole of a small one.
    async fn read_some(&mut self) -> io::Result<()> {
        read_some(&mut self.stream).await
    }
}

async fn read_some(stream: &mut TcpStream) -> io::Result<()> {
    match stream.read(&mut [0; 8 * 1024]).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
