//! Accept loops on loopback.

use std::net::SocketAddr;

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// A TCP server on a free loopback port. Dropping it ends its accept loop and its connections.
#[derive(Debug)]
pub struct LoopbackServer {
    addr: SocketAddr,
    _accepting: JoinSet<()>,
}

/// An axum router on a free loopback port, with the peer address in `ConnectInfo`. Dropping it ends
/// its accept loop; open connections stay.
#[derive(Debug)]
pub struct RouterServer {
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

// === impl LoopbackServer ===

impl LoopbackServer {
    /// Runs `serve` for each accepted connection, on the runtime of the caller.
    pub async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                connections.spawn(serve(stream));
                // Finished connections are not kept for the whole test.
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            addr,
            _accepting: accepting,
        }
    }

    /// The listening address.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The listening address as an `http://` URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

// === impl RouterServer ===

impl RouterServer {
    /// Serves `router` on the runtime of the caller.
    pub async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async { axum::serve(listener, service).await.unwrap() });
        Self { addr, serving }
    }

    /// The listening address.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for RouterServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
