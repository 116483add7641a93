//! Honest WebSockets, long and short, which nothing disturbs.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use gabion_benches::Numbers;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use crate::{
    body,
    stage::{Actor, regular},
};

/// One that stays open, and says something at times.
pub(super) struct Long {
    addr: SocketAddr,
    lane: usize,
    said: usize,
    socket: Option<Socket>,
}

/// Opened, used, and closed as it should be.
pub(super) struct Short {
    addr: SocketAddr,
    numbers: Numbers,
}

/// One that says nothing for long, but answers pings.
pub(super) struct Quiet {
    addr: SocketAddr,
    lane: usize,
}

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const PATIENCE: Duration = Duration::from_secs(15);

/// Several pings long.
const QUIET: Duration = Duration::from_secs(9);

/// Opens a socket on behalf of `client`.
pub(super) async fn open(addr: SocketAddr, client: [u8; 4]) -> Result<Socket, Error> {
    let mut request = format!("ws://{addr}/ws").into_client_request()?;
    let [a, b, c, d] = client;
    let client = format!("{a}.{b}.{c}.{d}").parse()?;
    request.headers_mut().insert("x-forwarded-for", client);
    Ok(connect_async(request).await?.0)
}

/// Says something and waits for the echo.
async fn echo(socket: &mut Socket, message: Message) -> Result<(), String> {
    let talk = async {
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
                None => return Err("it ends instead of an echo".to_owned()),
            }
        }
    };
    let talked = timeout(PATIENCE, talk).await;
    talked.unwrap_or_else(|_| Err("no echo in time".to_owned()))
}

impl Long {
    pub(super) const fn new(addr: SocketAddr, lane: usize) -> Self {
        Self {
            addr,
            lane,
            said: 0,
            socket: None,
        }
    }
}

impl Actor for Long {
    async fn act(&mut self) -> Result<(), String> {
        let mut socket = if let Some(socket) = self.socket.take() {
            socket
        } else {
            let socket = open(self.addr, regular(self.lane)).await;
            socket.map_err(|error| format!("handshake: {error}"))?
        };
        self.said += 1;
        let message = Message::text(format!("{} of {}", self.said, self.lane));
        echo(&mut socket, message).await?;
        self.socket = Some(socket);
        Ok(())
    }
}

impl Short {
    pub(super) const fn new(addr: SocketAddr, lane: usize) -> Self {
        Self {
            addr,
            numbers: Numbers::of(lane as u64 + 200),
        }
    }
}

impl Actor for Short {
    async fn act(&mut self) -> Result<(), String> {
        let client = regular(self.numbers.below(usize::MAX));
        let socket = open(self.addr, client).await;
        let mut socket = socket.map_err(|error| format!("handshake: {error}"))?;
        for _ in 0..5 {
            let length = self.numbers.below(16 * 1024);
            echo(&mut socket, Message::binary(body(length, 1))).await?;
        }
        let closing = async {
            socket.close(None).await?;
            while let Some(message) = socket.next().await {
                message?;
            }
            Ok::<_, Error>(())
        };
        match timeout(PATIENCE, closing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("close: {error}")),
            Err(_) => Err("no answer to a close".to_owned()),
        }
    }
}

impl Quiet {
    pub(super) const fn new(addr: SocketAddr, lane: usize) -> Self {
        Self { addr, lane }
    }
}

impl Actor for Quiet {
    async fn act(&mut self) -> Result<(), String> {
        let socket = open(self.addr, regular(self.lane)).await;
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
        if let Ok(heard) = timeout(QUIET, listening).await {
            return Err(format!("a quiet socket hears {heard:?}"));
        }
        if pings == 0 {
            return Err("a quiet socket is not pinged".to_owned());
        }
        echo(&mut socket, Message::text("still here")).await
    }
}
