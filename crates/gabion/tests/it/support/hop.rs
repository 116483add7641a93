//! A hop between a client and a guard that gives up what is silent, as balancers do.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

/// Passes bytes on both ways, and cuts a connection once neither way has had one for a time.
pub(crate) struct Hop {
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl Hop {
    /// A hop before `addr` that waits so long for a byte.
    pub(crate) async fn before(addr: SocketAddr, patience: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(addr).await.unwrap();
                tokio::spawn(pass(client, server, patience));
            }
        });
        Self { addr: own, serving }
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Hop {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, patience: Duration) {
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    loop {
        let either = async {
            tokio::select! {
                len = client.read(&mut up) => (len, true),
                len = server.read(&mut down) => (len, false),
            }
        };
        let Ok((Ok(len @ 1..), upwards)) = timeout(patience, either).await else {
            return;
        };
        let passed = if upwards {
            server.write_all(&up[..len]).await
        } else {
            client.write_all(&down[..len]).await
        };
        if passed.is_err() {
            return;
        }
    }
}
