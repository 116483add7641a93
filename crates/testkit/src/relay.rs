//! A TCP relay with an idle timeout.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::LoopbackServer;

/// Relays bytes in both directions and closes a connection after `idle` without a byte in either
/// direction, like a load balancer.
#[derive(Debug)]
pub struct IdleTimeoutRelay(LoopbackServer);

impl IdleTimeoutRelay {
    /// Relays to `addr` with the idle timeout `idle`.
    pub async fn start(addr: SocketAddr, idle: Duration) -> Self {
        let relay = move |client| async move {
            let server = TcpStream::connect(addr).await.unwrap();
            relay(client, server, idle).await;
        };
        Self(LoopbackServer::start(relay).await)
    }

    /// The listening address.
    pub const fn addr(&self) -> SocketAddr {
        self.0.addr()
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, idle: Duration) {
    let (mut request, mut response) = ([0; 4096], [0; 4096]);
    loop {
        let either = async {
            tokio::select! {
                len = client.read(&mut request) => (len, true),
                len = server.read(&mut response) => (len, false),
            }
        };
        let Ok((Ok(len @ 1..), is_request)) = timeout(idle, either).await else {
            return;
        };
        let relayed = if is_request {
            server.write_all(&request[..len]).await
        } else {
            client.write_all(&response[..len]).await
        };
        if relayed.is_err() {
            return;
        }
    }
}
