//! Clients that request a large response and take none of it. guard must cut them.

use std::{io, net::SocketAddr, time::Duration};

use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

use super::{
    http2::{connect, request},
    slow::download,
};
use crate::{
    guard::SEND_TIMEOUT,
    traffic::{Client, returning_address},
};

/// A client whose receive buffer is full.
pub(super) struct StalledReaders {
    addr: SocketAddr,
    index: usize,
}

/// A client that opens no window for a stream (RFC 9113, 6.9). Its connection answers pings.
pub(super) struct StalledHttp2Readers {
    addr: SocketAddr,
    index: usize,
}

/// More than all buffers on the path hold.
const LARGE: usize = 16 << 20;

/// The time in which guard must have cut the client, on a busy machine.
const CUT: Duration = SEND_TIMEOUT.saturating_add(Duration::from_secs(12));

// === impl StalledReaders ===

impl StalledReaders {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self { addr, index }
    }

    /// Returns the number of bytes that arrive after the stall, until the connection ends.
    async fn stall(&self) -> io::Result<usize> {
        let mut stream = TcpStream::connect(self.addr).await?;
        stream.write_all(&download(self.index, LARGE)).await?;
        sleep(CUT).await;
        let mut received = Vec::new();
        // An error is the cut.
        let _ = stream.read_to_end(&mut received).await;
        Ok(received.len())
    }
}

impl Client for StalledReaders {
    async fn run(&mut self) -> Result<(), String> {
        match self.stall().await {
            Ok(0) => Err("no response".to_owned()),
            Ok(LARGE..) => Err(format!("not cut within {CUT:?}")),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

// === impl StalledHttp2Readers ===

impl StalledHttp2Readers {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self { addr, index }
    }
}

impl Client for StalledHttp2Readers {
    async fn run(&mut self) -> Result<(), String> {
        let mut sender = connect(self.addr).await?;
        let target = format!("/bytes/{LARGE}/{}", self.index);
        let client = returning_address(self.index);
        let sent = sender.send_request(request(self.addr, &target, client, Vec::new()));
        let response = sent
            .await
            .map_err(|error| format!("no response: {error:?}"))?;
        sleep(CUT).await;
        match response.into_body().collect().await {
            Ok(_) => Err(format!("not cut within {CUT:?}")),
            Err(_) => Ok(()),
        }
    }
}
