//! WebSocket clients that follow the protocol, with long and short connections. None may be disturbed.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use gabion_benches::Rng;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use crate::{
    body,
    traffic::{Client, returning_address},
};

/// A connection that stays open and sends a message from time to time.
pub(super) struct Long {
    addr: SocketAddr,
    index: usize,
    sent: usize,
    socket: Option<Socket>,
}

/// A connection that is opened, used, and closed with a close frame.
pub(super) struct Short {
    addr: SocketAddr,
    rng: Rng,
}

/// A connection that sends nothing for a time, but answers pings.
pub(super) struct Quiet {
    addr: SocketAddr,
    index: usize,
}

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const TIMEOUT: Duration = Duration::from_secs(15);

/// The time without messages: several ping intervals.
const QUIET: Duration = Duration::from_secs(9);

/// Opens a socket on behalf of `client`.
pub(super) async fn open(addr: SocketAddr, client: [u8; 4]) -> Result<Socket, Error> {
    let mut request = format!("ws://{addr}/ws").into_client_request()?;
    let [a, b, c, d] = client;
    let client = format!("{a}.{b}.{c}.{d}").parse()?;
    request.headers_mut().insert("x-forwarded-for", client);
    Ok(connect_async(request).await?.0)
}

/// Sends a message and waits for its echo.
async fn echo(socket: &mut Socket, message: Message) -> Result<(), String> {
    let exchange = async {
        let sent = socket.send(message.clone()).await;
        sent.map_err(|error| error.to_string())?;
        loop {
            match socket.next().await {
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(back)) if back == message => return Ok(()),
                Some(Ok(other)) => {
                    let other: String = format!("{other:?}").chars().take(100).collect();
                    return Err(format!("no echo, but {other}"));
                }
                Some(Err(error)) => return Err(error.to_string()),
                None => return Err("closed instead of an echo".to_owned()),
            }
        }
    };
    let exchanged = timeout(TIMEOUT, exchange).await;
    exchanged.unwrap_or_else(|_| Err("no echo in time".to_owned()))
}

impl Long {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self {
            addr,
            index,
            sent: 0,
            socket: None,
        }
    }
}

impl Client for Long {
    async fn run(&mut self) -> Result<(), String> {
        let mut socket = if let Some(socket) = self.socket.take() {
            socket
        } else {
            let socket = open(self.addr, returning_address(self.index)).await;
            socket.map_err(|error| format!("handshake: {error}"))?
        };
        self.sent += 1;
        let message = Message::text(format!("{} of {}", self.sent, self.index));
        echo(&mut socket, message).await?;
        self.socket = Some(socket);
        Ok(())
    }
}

impl Short {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self {
            addr,
            rng: Rng::new(index as u64 + 200),
        }
    }
}

impl Client for Short {
    async fn run(&mut self) -> Result<(), String> {
        let client = returning_address(self.rng.below(usize::MAX));
        let socket = open(self.addr, client).await;
        let mut socket = socket.map_err(|error| format!("handshake: {error}"))?;
        for _ in 0..5 {
            let length = self.rng.below(16 * 1024);
            echo(&mut socket, Message::binary(body(length, 1))).await?;
        }
        let closing = async {
            socket.close(None).await?;
            while let Some(message) = socket.next().await {
                message?;
            }
            Ok::<_, Error>(())
        };
        match timeout(TIMEOUT, closing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("close: {error}")),
            Err(_) => Err("no response to a close frame".to_owned()),
        }
    }
}

impl Quiet {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self { addr, index }
    }
}

impl Client for Quiet {
    async fn run(&mut self) -> Result<(), String> {
        let socket = open(self.addr, returning_address(self.index)).await;
        let mut socket = socket.map_err(|error| format!("handshake: {error}"))?;
        let mut pings = 0;
        let listening = async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Ping(_))) => pings += 1,
                    other => return other,
                }
            }
        };
        if let Ok(received) = timeout(QUIET, listening).await {
            return Err(format!("a quiet socket received {received:?}"));
        }
        if pings == 0 {
            return Err("a quiet socket received no ping".to_owned());
        }
        echo(&mut socket, Message::text("still here")).await
    }
}
