//! WebSocket clients that violate the protocol, stop responding, or send a forbidden message.

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
    traffic::{Client, forwarded, new_address},
};

/// A client that closes the connection within a message, or sends a malformed or too large frame.
pub(super) struct Malformed {
    addr: SocketAddr,
    index: usize,
}

/// A client that does not answer pings.
pub(super) struct Unresponsive {
    addr: SocketAddr,
}

/// A client that sends messages and does not read the echoes.
pub(super) struct Unread {
    addr: SocketAddr,
}

/// A client that sends a message for which a rule bans it.
pub(super) struct Injecting {
    addr: SocketAddr,
}

/// The time of two pings of two seconds each, plus a tolerance for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(15);

/// `write_stall` of the policy.
const STALL: Duration = Duration::from_secs(5);

const BAN_TIME: Duration = Duration::from_secs(BAN);

/// The first bytes of a message of 100 bytes, a frame with a reserved opcode (RFC 6455, 5.2), and the
/// header of a message of 1 MiB; all masked with a key of zeros.
const HALF: &[u8] = b"\x82\xe4\0\0\0\0half";
const RESERVED: &[u8] = b"\x83\x80\0\0\0\0";
const HUGE: &[u8] = b"\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0";

/// Opens a WebSocket, and returns the raw connection.
async fn open_raw(addr: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let mut stream = BufReader::new(TcpStream::connect(addr).await?);
    let header = forwarded(new_address());
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{header}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if timeout(TIMEOUT, stream.read_line(&mut head)).await?? == 0 {
            break;
        }
    }
    if head.starts_with("HTTP/1.1 101 ") {
        Ok(stream)
    } else {
        Err(io::Error::other(head.escape_default().to_string()))
    }
}

/// Waits until guard closes the connection, after a close frame with `code` if there is one.
async fn expect_close(mut stream: BufReader<TcpStream>, code: Option<u16>) -> Result<(), String> {
    let mut received = Vec::new();
    let ended = timeout(TIMEOUT, stream.read_to_end(&mut received)).await;
    if ended.is_err() {
        return Err(format!("still open after {TIMEOUT:?}"));
    }
    match code {
        Some(code) if !received.windows(2).any(|two| two == code.to_be_bytes()) => {
            let received = received.escape_ascii();
            Err(format!("no close frame with code {code} in {received}"))
        }
        _ => Ok(()),
    }
}

impl Malformed {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self { addr, index }
    }

    async fn misbehave(&self, mut stream: BufReader<TcpStream>) -> Result<(), String> {
        let sent = match self.index {
            0 | 1 => HALF,
            2 => RESERVED,
            3 => HUGE,
            _ => b"\x82",
        };
        let sending = stream.write_all(sent).await;
        sending.map_err(|error| error.to_string())?;
        match self.index {
            0 => {
                // Closes the connection with a TCP reset.
                let reset = stream.get_ref().set_zero_linger();
                reset.map_err(|error| error.to_string())
            }
            1 => {
                let end = stream.shutdown().await;
                end.map_err(|error| error.to_string())?;
                expect_close(stream, None).await
            }
            2 => expect_close(stream, Some(1002)).await,
            3 => expect_close(stream, Some(1009)).await,
            _ => Ok(()),
        }
    }
}

impl Client for Malformed {
    async fn run(&mut self) -> Result<(), String> {
        let stream = open_raw(self.addr).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let result = self.misbehave(stream).await;
        result.map_err(|why| format!("kind {}: {why}", self.index))
    }
}

impl Unresponsive {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }
}

impl Client for Unresponsive {
    async fn run(&mut self) -> Result<(), String> {
        let stream = open_raw(self.addr).await;
        expect_close(stream.map_err(|error| error.to_string())?, None).await
    }
}

impl Unread {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }
}

impl Client for Unread {
    async fn run(&mut self) -> Result<(), String> {
        let stream = open_raw(self.addr).await;
        let mut stream = stream.map_err(|error| error.to_string())?;
        // 32 KiB per message, so that socket buffers fill quickly.
        let mut message = b"\x82\xfe\x80\0\0\0\0\0".to_vec();
        message.resize(message.len() + 32 * 1024, b'x');
        let start = Instant::now();
        let sending = async { while stream.write_all(&message).await.is_ok() {} };
        let cut = timeout(STALL + TIMEOUT, sending).await;
        match start.elapsed() {
            lasted if cut.is_err() => Err(format!("not closed after {lasted:?}")),
            lasted if lasted < STALL => Err(format!("closed early, after {lasted:?}")),
            _ => Ok(()),
        }
    }
}

impl Injecting {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }
}

impl Client for Injecting {
    async fn run(&mut self) -> Result<(), String> {
        let client = new_address();
        let socket = open(self.addr, client).await;
        let mut socket = socket.map_err(|error| format!("handshake: {error}"))?;
        let message = Message::text("${jndi:ldap://127.0.0.1/a}");
        let sent = socket.send(message).await;
        sent.map_err(|error| error.to_string())?;
        loop {
            match timeout(TIMEOUT, socket.next()).await {
                Ok(Some(Ok(Message::Ping(_)))) => {}
                Ok(Some(Ok(Message::Close(Some(close))))) if close.code == CloseCode::Policy => {
                    break;
                }
                other => {
                    return Err(format!(
                        "expected a close frame with code 1008 for a ban, got {other:?}"
                    ));
                }
            }
        }
        match open(self.addr, client).await {
            Err(Error::Http(answer)) if answer.status() == 403 => {}
            other => return Err(format!("during the ban: {:?}", other.map(drop))),
        }
        sleep(BAN_TIME + Duration::from_millis(500)).await;
        let again = open(self.addr, client).await;
        again
            .map(drop)
            .map_err(|error| format!("after the ban: {error}"))
    }
}
