//! WebSockets that end as they should not, or should not be.

use std::{io, net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::tungstenite::{Error, Message, protocol::frame::coding::CloseCode};

use super::sockets::open;
use crate::{
    policy::BAN,
    stage::{Actor, forwarded, stranger},
};

/// Cut in the middle, or broken.
pub(super) struct Rude {
    addr: SocketAddr,
    lane: usize,
}

/// One whose client is gone without a word.
pub(super) struct Dead {
    addr: SocketAddr,
}

/// One whose client sends, and does not read what comes back.
pub(super) struct Unread {
    addr: SocketAddr,
}

/// One whose client says what bans.
pub(super) struct Injecting {
    addr: SocketAddr,
}

/// Two pings of two seconds each, and what a busy machine adds.
const PATIENCE: Duration = Duration::from_secs(15);

/// `write_stall` of the policy.
const STALL: Duration = Duration::from_secs(5);

const LASTS: Duration = Duration::from_secs(BAN);

/// A message of 100 bytes of which some have come, one of a reserved kind (RFC 6455, 5.2), and one of
/// 1 MiB; masked with a key of zeros.
const HALF: &[u8] = b"\x82\xe4\0\0\0\0half";
const RESERVED: &[u8] = b"\x83\x80\0\0\0\0";
const HUGE: &[u8] = b"\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0";

/// Opens a socket by hand.
async fn opened(addr: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let mut stream = BufReader::new(TcpStream::connect(addr).await?);
    let who = forwarded(stranger());
    let ask = format!(
        "GET /ws HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{who}\r\n"
    );
    stream.write_all(ask.as_bytes()).await?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if timeout(PATIENCE, stream.read_line(&mut head)).await?? == 0 {
            break;
        }
    }
    if head.starts_with("HTTP/1.1 101 ") {
        Ok(stream)
    } else {
        Err(io::Error::other(head.escape_default().to_string()))
    }
}

/// Waits until guard ends the connection: with a close of this code, or without one.
async fn ended(mut stream: BufReader<TcpStream>, code: Option<u16>) -> Result<(), String> {
    let mut said = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    if ended.is_err() {
        return Err(format!("still open after {PATIENCE:?}"));
    }
    match code {
        Some(code) if !said.windows(2).any(|two| two == code.to_be_bytes()) => {
            Err(format!("no close of {code} in {}", said.escape_ascii()))
        }
        _ => Ok(()),
    }
}

impl Rude {
    pub(super) const fn new(addr: SocketAddr, lane: usize) -> Self {
        Self { addr, lane }
    }

    async fn offend(&self, mut stream: BufReader<TcpStream>) -> Result<(), String> {
        let sent = match self.lane {
            0 | 1 => HALF,
            2 => RESERVED,
            3 => HUGE,
            _ => b"\x82",
        };
        let sending = stream.write_all(sent).await;
        sending.map_err(|error| error.to_string())?;
        match self.lane {
            0 => {
                // With a reset.
                let reset = stream.get_ref().set_zero_linger();
                reset.map_err(|error| error.to_string())
            }
            1 => {
                let end = stream.shutdown().await;
                end.map_err(|error| error.to_string())?;
                ended(stream, None).await
            }
            2 => ended(stream, Some(1002)).await,
            3 => ended(stream, Some(1009)).await,
            _ => Ok(()),
        }
    }
}

impl Actor for Rude {
    async fn act(&mut self) -> Result<(), String> {
        let stream = opened(self.addr).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let offense = self.offend(stream).await;
        offense.map_err(|why| format!("kind {}: {why}", self.lane))
    }
}

impl Dead {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }
}

impl Actor for Dead {
    async fn act(&mut self) -> Result<(), String> {
        let stream = opened(self.addr).await;
        ended(stream.map_err(|error| error.to_string())?, None).await
    }
}

impl Unread {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }
}

impl Actor for Unread {
    async fn act(&mut self) -> Result<(), String> {
        let stream = opened(self.addr).await;
        let mut stream = stream.map_err(|error| error.to_string())?;
        // 32 KiB, so that what lies between is soon full.
        let mut message = b"\x82\xfe\x80\0\0\0\0\0".to_vec();
        message.resize(message.len() + 32 * 1024, b'x');
        let began = Instant::now();
        let talk = async { while stream.write_all(&message).await.is_ok() {} };
        let cut = timeout(STALL + PATIENCE, talk).await;
        match began.elapsed() {
            lasted if cut.is_err() => Err(format!("not cut after {lasted:?}")),
            lasted if lasted < STALL => Err(format!("cut after {lasted:?}")),
            _ => Ok(()),
        }
    }
}

impl Injecting {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }
}

impl Actor for Injecting {
    async fn act(&mut self) -> Result<(), String> {
        let client = stranger();
        let socket = open(self.addr, client).await;
        let mut socket = socket.map_err(|error| format!("handshake: {error}"))?;
        let said = Message::text("${jndi:ldap://127.0.0.1/a}");
        let sent = socket.send(said).await;
        sent.map_err(|error| error.to_string())?;
        loop {
            match timeout(PATIENCE, socket.next()).await {
                Ok(Some(Ok(Message::Ping(_)))) => {}
                Ok(Some(Ok(Message::Close(Some(close))))) if close.code == CloseCode::Policy => {
                    break;
                }
                other => return Err(format!("what should ban is met with {other:?}")),
            }
        }
        match open(self.addr, client).await {
            Err(Error::Http(answer)) if answer.status() == 403 => {}
            other => return Err(format!("after a ban: {:?}", other.map(drop))),
        }
        sleep(LASTS + Duration::from_millis(500)).await;
        let again = open(self.addr, client).await;
        again
            .map(drop)
            .map_err(|error| format!("after it is over: {error}"))
    }
}
