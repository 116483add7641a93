//! Event streams, which go on whatever is reloaded or restarted meanwhile.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::stage::{Actor, forwarded, regular};

pub(super) struct Events {
    addr: SocketAddr,
    lane: usize,
}

/// How many events are waited for, five a second, before the client leaves.
const EVENTS: u64 = 60;

const PATIENCE: Duration = Duration::from_secs(10);

impl Events {
    pub(super) const fn new(addr: SocketAddr, lane: usize) -> Self {
        Self { addr, lane }
    }

    async fn read(&self) -> std::io::Result<Option<String>> {
        let mut stream = BufReader::new(TcpStream::connect(self.addr).await?);
        let who = forwarded(regular(self.lane));
        let ask = format!("GET /events HTTP/1.1\r\nHost: app.example\r\n{who}\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let mut expected = 0;
        let mut line = String::new();
        while expected < EVENTS {
            line.clear();
            if timeout(PATIENCE, stream.read_line(&mut line)).await?? == 0 {
                return Ok(Some(format!("it ends before event {expected}")));
            }
            match line.trim_end().strip_prefix("data: ") {
                Some(nth) if nth == expected.to_string() => expected += 1,
                Some(nth) => return Ok(Some(format!("event {nth}, not {expected}"))),
                None => {}
            }
        }
        Ok(None)
    }
}

impl Actor for Events {
    async fn act(&mut self) -> Result<(), String> {
        match self.read().await {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(why),
            Err(error) => Err(error.to_string()),
        }
    }
}
