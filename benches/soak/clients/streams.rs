//! Event streams, which must continue during reloads of the policy and restarts of the upstream server.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::traffic::{Client, forwarded, returning_address};

pub(super) struct Events {
    addr: SocketAddr,
    index: usize,
}

/// The number of events, five per second, after which the client disconnects.
const EVENTS: u64 = 60;

const TIMEOUT: Duration = Duration::from_secs(10);

impl Events {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self { addr, index }
    }

    async fn read(&self) -> std::io::Result<Option<String>> {
        let mut stream = BufReader::new(TcpStream::connect(self.addr).await?);
        let header = forwarded(returning_address(self.index));
        let request = format!("GET /events HTTP/1.1\r\nHost: app.example\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut expected = 0;
        let mut line = String::new();
        while expected < EVENTS {
            line.clear();
            if timeout(TIMEOUT, stream.read_line(&mut line)).await?? == 0 {
                return Ok(Some(format!("the stream ended before event {expected}")));
            }
            match line.trim_end().strip_prefix("data: ") {
                Some(nth) if nth == expected.to_string() => expected += 1,
                Some(nth) => return Ok(Some(format!("event {nth}, expected {expected}"))),
                None => {}
            }
        }
        Ok(None)
    }
}

impl Client for Events {
    async fn run(&mut self) -> Result<(), String> {
        match self.read().await {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(why),
            Err(error) => Err(error.to_string()),
        }
    }
}
