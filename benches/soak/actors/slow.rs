//! Clients that take their time: the honest are served, the others cut, and nobody waits for them.

use std::{io, net::SocketAddr, time::Duration};

use gabion_testkit::Wire;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    select,
    time::{Instant, sleep, timeout},
};

use crate::{
    body,
    stage::{Actor, Curtain, forwarded, regular, stranger},
};

/// Heads that never end.
pub(super) struct Heads {
    addr: SocketAddr,
    curtain: Curtain,
}

/// Bodies that stop.
pub(super) struct Stalled {
    addr: SocketAddr,
}

/// Bodies that come byte by byte.
pub(super) struct Bodies {
    addr: SocketAddr,
    lane: usize,
}

/// Answers that are read bit by bit.
pub(super) struct Readers {
    addr: SocketAddr,
    lane: usize,
}

/// Answers that are not read.
pub(super) struct Leavers {
    addr: SocketAddr,
    lane: usize,
}

/// How long guard waits for a head, and, as it is started here, for a body that moved to move again:
/// up to twice `--timeout`.
const HEAD: Duration = Duration::from_secs(75);
const STALL: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(5);

const LARGE: usize = 1 << 20;

// === impl Heads ===

impl Heads {
    pub(super) const fn new(addr: SocketAddr, curtain: Curtain) -> Self {
        Self { addr, curtain }
    }

    /// A header more each second, until guard has had enough.
    async fn drip(addr: SocketAddr) -> io::Result<Duration> {
        let mut stream = TcpStream::connect(addr).await?;
        let began = Instant::now();
        stream.write_all(b"GET /bytes/1 HTTP/1.1\r\n").await?;
        loop {
            let read = timeout(Duration::from_secs(1), stream.read(&mut [0; 1024])).await;
            match read {
                Ok(Ok(1..)) => {}
                Ok(_) => return Ok(began.elapsed()),
                Err(_) if began.elapsed() > HEAD + SLACK => return Ok(began.elapsed()),
                // A connection that is cut meanwhile is found out when it is read.
                Err(_) => drop(stream.write_all(b"X-More: 1\r\n").await),
            }
        }
    }
}

impl Actor for Heads {
    async fn act(&mut self) -> Result<(), String> {
        let lasted = select! {
            () = self.curtain.falls() => return Ok(()),
            lasted = Self::drip(self.addr) => lasted.map_err(|error| error.to_string())?,
        };
        if lasted > HEAD + SLACK {
            return Err(format!("a head may take {lasted:?}"));
        }
        Ok(())
    }
}

// === impl Stalled ===

impl Stalled {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }
}

impl Actor for Stalled {
    async fn act(&mut self) -> Result<(), String> {
        let mut wire = Wire::connect(self.addr).await;
        let began = Instant::now();
        wire.send(&upload(stranger(), 100)).await;
        wire.send(b"x").await;
        let answer = timeout(STALL + SLACK, wire.answer("POST")).await;
        match answer {
            Ok(Some(answer)) if answer.status == 408 => Ok(()),
            Ok(Some(answer)) => Err(format!("{} for a body that stalls", answer.status)),
            Ok(None) => Err("cut without an answer".to_owned()),
            Err(_) => Err(format!("not cut after {:?}", began.elapsed())),
        }
    }
}

/// The head of an upload.
fn upload(client: [u8; 4], length: usize) -> Vec<u8> {
    let who = forwarded(client);
    format!("POST /echo HTTP/1.1\r\nHost: app.example\r\nContent-Length: {length}\r\n{who}\r\n")
        .into_bytes()
}

/// What asks for so many bytes.
fn download(lane: usize, length: usize) -> Vec<u8> {
    let who = forwarded(regular(lane));
    format!("GET /bytes/{length}/{lane} HTTP/1.1\r\nHost: app.example\r\n{who}\r\n").into_bytes()
}

// === impl Bodies ===

impl Bodies {
    pub(super) const fn new(addr: SocketAddr, lane: usize) -> Self {
        Self { addr, lane }
    }
}

impl Actor for Bodies {
    async fn act(&mut self) -> Result<(), String> {
        let mut wire = Wire::connect(self.addr).await;
        let sent = body(20, self.lane as u64);
        wire.send(&upload(regular(self.lane), sent.len())).await;
        for byte in sent.chunks(1) {
            sleep(Duration::from_millis(250)).await;
            wire.send(byte).await;
        }
        match wire.answer("POST").await {
            Some(answer) if answer.status == 200 && answer.body == sent => Ok(()),
            Some(answer) => Err(format!("{} for a slow body", answer.status)),
            None => Err("a slow body is cut".to_owned()),
        }
    }
}

// === impl Readers ===

impl Readers {
    pub(super) const fn new(addr: SocketAddr, lane: usize) -> Self {
        Self { addr, lane }
    }

    async fn sip(&self) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.addr).await?;
        let close = "Connection: close\r\n\r\n";
        let mut ask = download(self.lane, LARGE);
        ask.splice(ask.len() - 2.., close.bytes());
        stream.write_all(&ask).await?;
        let mut got = Vec::new();
        let mut sip = vec![0; 32 * 1024];
        loop {
            sleep(Duration::from_millis(100)).await;
            match timeout(STALL, stream.read(&mut sip)).await?? {
                0 => return Ok(got),
                read => got.extend_from_slice(&sip[..read]),
            }
        }
    }
}

impl Actor for Readers {
    async fn act(&mut self) -> Result<(), String> {
        let got = self.sip().await.map_err(|error| error.to_string())?;
        if !got.ends_with(&body(LARGE, self.lane as u64)) {
            let first: Vec<_> = got.iter().copied().take(100).collect();
            let (length, first) = (got.len(), first.escape_ascii());
            return Err(format!("{length} bytes of a large answer: {first}"));
        }
        Ok(())
    }
}

// === impl Leavers ===

impl Leavers {
    pub(super) const fn new(addr: SocketAddr, lane: usize) -> Self {
        Self { addr, lane }
    }

    async fn leave(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.addr).await?;
        // More than fits into what lies between.
        stream.write_all(&download(self.lane, 16 * LARGE)).await?;
        sleep(Duration::from_secs(5)).await;
        Ok(())
    }
}

impl Actor for Leavers {
    async fn act(&mut self) -> Result<(), String> {
        self.leave().await.map_err(|error| error.to_string())
    }
}
