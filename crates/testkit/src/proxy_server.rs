//! The reverse proxy on loopback.

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

use gabion_proxy::{
    Drained, HttpService, Proxy, ProxyOptions, ServeOptions, Tunnels, Upstream, UpstreamGroup,
    Workers, listen, serve, workers,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::RawConnection;

/// `gabion-proxy` on a free loopback port. Dropping it closes its connections.
#[derive(Debug)]
pub struct ProxyServer {
    addr: SocketAddr,
    running: Running,
}

#[derive(Debug)]
enum Running {
    /// An accept loop on the runtime of the test.
    Task {
        tunnels: Tunnels,
        stop: oneshot::Sender<Duration>,
        serving: JoinHandle<Drained>,
    },
    /// Two worker threads, as in the guard binary.
    Workers { _until_dropped: RunningWorkers },
}

/// Workers, shut down on drop. `None` only while they are.
#[derive(Debug)]
struct RunningWorkers(Option<Workers>);

// === impl RunningWorkers ===

impl Drop for RunningWorkers {
    fn drop(&mut self) {
        if let Some(workers) = self.0.take() {
            workers.shutdown(Duration::ZERO);
        }
    }
}

// === impl ProxyServer ===

impl ProxyServer {
    /// Forwards requests to `url`, on the runtime of the caller. `wrap` adds layers around the proxy.
    pub fn start<S: HttpService>(
        url: &str,
        proxy: &ProxyOptions,
        options: ServeOptions,
        wrap: impl FnOnce(Proxy) -> S,
    ) -> Self {
        let upstream: Upstream = url.parse().unwrap();
        Self::before(upstream, proxy, options, wrap)
    }

    /// Forwards requests to these upstreams, on the runtime of the caller.
    pub fn before<S: HttpService>(
        upstreams: impl Into<UpstreamGroup>,
        proxy: &ProxyOptions,
        options: ServeOptions,
        wrap: impl FnOnce(Proxy) -> S,
    ) -> Self {
        let tunnels = Tunnels::default();
        let service = wrap(Proxy::new(upstreams, proxy, tunnels.clone()));
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let counted = tunnels.clone();
        let serving = tokio::spawn(async move {
            // A dropped sender ends the loop without grace.
            let stopped = async { stopped.await.unwrap_or_default() };
            serve(listener, service, counted, &options, stopped).await
        });
        let running = Running::Task {
            tunnels,
            stop,
            serving,
        };
        Self { addr, running }
    }

    /// Forwards requests to `url`, on two worker threads.
    pub fn with_workers<S: HttpService>(
        url: &str,
        proxy: &ProxyOptions,
        options: &ServeOptions,
        wrap: impl Fn(Proxy) -> S + Send + Sync + 'static,
    ) -> Self {
        let upstream: Upstream = url.parse().unwrap();
        let proxy = proxy.clone();
        let count = NonZeroUsize::new(2).unwrap();
        let addr = "127.0.0.1:0".parse().unwrap();
        let workers = workers(count, addr, options, move |tunnels| {
            wrap(Proxy::new(upstream.clone(), &proxy, tunnels.clone()))
        });
        let workers = workers.unwrap();
        Self {
            addr: workers.local_addr(),
            running: Running::Workers {
                _until_dropped: RunningWorkers(Some(workers)),
            },
        }
    }

    /// The listening address.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Opens a connection.
    pub async fn connect(&self) -> RawConnection {
        RawConnection::connect(self.addr).await
    }

    /// The tunnels of a server from [`Self::start`].
    pub fn tunnels(&self) -> &Tunnels {
        match &self.running {
            Running::Task { tunnels, .. } => tunnels,
            Running::Workers { .. } => panic!("workers have tunnels of their own"),
        }
    }

    /// Starts to drain a server from [`Self::start`] with this grace period. The handle returns the
    /// number of connections cut.
    pub fn stop(self, grace: Duration) -> JoinHandle<Drained> {
        match self.running {
            Running::Task { stop, serving, .. } => {
                stop.send(grace).unwrap();
                serving
            }
            Running::Workers { .. } => panic!("workers are shut down when they are dropped"),
        }
    }
}
