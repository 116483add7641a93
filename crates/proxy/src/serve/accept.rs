//! The accept loop.

use std::{fmt, io, iter::Sum, ops::Add, time::Duration};

use gabion_core::PeerAddr;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::warn;

use super::{
    connection::{ConnectionHandler, OpenedSocket},
    listen::configure_accepted,
    options::ServeOptions,
    service::HttpService,
    worker_service::WorkerService,
};
use crate::{Tunnels, tunnels::TaskSet};

/// The pause after a failed accept for lack of a resource such as file descriptors, which must be
/// released first.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// The connections and WebSockets that a drain closed because the grace period was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Connections with a request in progress.
    pub connections: usize,
    /// Open WebSockets. One over HTTP/2 also counts as a connection.
    pub tunnels: usize,
}

/// Accepts connections and serves each with a clone of `service`, until `stop` returns the grace
/// period of the drain.
///
/// Each request carries its [`PeerAddr`] in its extensions, and a [`Framing`](gabion_core::Framing)
/// if its head stated its length twice, or if that is unknown. A connection whose request to leave
/// HTTP/1 is refused ends with the response.
///
/// After `stop`, each connection closes after its current request, with `Connection: close` in HTTP/1. An
/// idle one stays open for another request during half of the grace period, at most 3 s, so that no client
/// sends a request to a connection that is being closed. New WebSockets are refused (503). Connections, and WebSockets in `tunnels`, that outlast the grace period are closed; their
/// count is returned. See [`ServeOptions`] for timeouts and [`workers`](crate::workers) for one
/// loop per core.
///
/// # Cancellation
///
/// Dropping the future stops accepting; open connections continue.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use gabion_proxy::{
///     Drained, Proxy, ProxyOptions, ServeOptions, Tunnels, Upstream, listen, serve,
/// };
/// use tokio::{net::TcpListener, sync::oneshot};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let upstream: Upstream = "http://127.0.0.1:5000".parse()?;
/// let tunnels = Tunnels::default();
/// let proxy = Proxy::new(upstream, &ProxyOptions::default(), tunnels.clone());
/// let listener = TcpListener::from_std(listen("127.0.0.1:0".parse()?)?)?;
/// let addr = listener.local_addr()?;
///
/// let (stop, stopped) = oneshot::channel();
/// let accept_loop = tokio::spawn(async move {
///     let grace = async { stopped.await.unwrap_or_default() };
///     serve(listener, proxy, tunnels, &ServeOptions::default(), grace).await
/// });
/// assert!(tokio::net::TcpStream::connect(addr).await.is_ok());
///
/// stop.send(Duration::from_secs(1)).unwrap();
/// assert_eq!(accept_loop.await?, Drained::default());
/// assert!(tokio::net::TcpStream::connect(addr).await.is_err());
/// # Ok(())
/// # }
/// ```
pub async fn serve<S: HttpService>(
    listener: TcpListener,
    service: S,
    tunnels: Tunnels,
    options: &ServeOptions,
    stop: impl Future<Output = Duration>,
) -> Drained {
    let service = WorkerService::new(service);
    serve_all([(listener, options.clone())], service, tunnels, stop).await
}

/// Like [`serve`], for several listeners with options of their own.
pub(super) async fn serve_all<S: HttpService>(
    listeners: impl IntoIterator<Item = (TcpListener, ServeOptions)>,
    service: WorkerService<S>,
    tunnels: Tunnels,
    stop: impl Future<Output = Duration>,
) -> Drained {
    let connections = TaskSet::default();
    let mut accept_loops = JoinSet::new();
    let mut handlers = Vec::new();
    for (listener, options) in listeners {
        let handler = ConnectionHandler::new(&options);
        handlers.push(handler.clone());
        accept_loops.spawn(accept_all(
            listener,
            handler,
            connections.clone(),
            service.clone(),
        ));
    }
    let grace = stop.await;
    // Closes the listeners.
    accept_loops.shutdown().await;
    tunnels.close();
    for handler in &handlers {
        handler.shut_down(grace);
    }
    drain(&connections, tunnels.tasks(), grace).await
}

/// Accepts connections, and spawns a task for each.
async fn accept_all<S: HttpService>(
    listener: TcpListener,
    handler: ConnectionHandler,
    connections: TaskSet,
    service: WorkerService<S>,
) {
    loop {
        let Some((socket, peer)) = accept(&listener).await else {
            continue;
        };
        // Before the next one is accepted: a refused socket must not hold a descriptor.
        let Some(admitted) = handler.admit(peer) else {
            continue;
        };
        let (handler, service) = (handler.clone(), service.clone());
        if handler.is_wrapped() {
            // Boxed: the future is several times as large as that of a plain connection.
            connections.spawn(Box::pin(handler.handle_wrapped(socket, admitted, service)));
        } else {
            let opened = OpenedSocket::plain(socket);
            connections.spawn(handler.handle(opened, admitted, service));
        }
    }
}

/// Accepts one connection; `None` if it failed before it was served, or after a pause if accepting
/// fails.
async fn accept(listener: &TcpListener) -> Option<(TcpStream, PeerAddr)> {
    let accepted = listener.accept().await.and_then(|(socket, peer)| {
        configure_accepted(&socket)?;
        Ok((socket, PeerAddr::new(peer)))
    });
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) if is_connection_error(&error) => None,
        Err(error) => {
            warn!(target: "gabion::proxy", "cannot accept connections: {error}; retrying in 500 ms");
            sleep(RETRY_DELAY).await;
            None
        }
    }
}

/// Returns `true` if the connection failed before it was served (`configure_accepted` then fails
/// with `InvalidInput`).
fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected
    )
}

async fn drain(connections: &TaskSet, tunnels: &TaskSet, grace: Duration) -> Drained {
    let done = async {
        connections.wait_idle().await;
        tunnels.wait_idle().await;
    };
    // After a timeout the remaining tasks are counted and canceled.
    let _ = timeout(grace, done).await;
    let drained = Drained {
        connections: connections.len(),
        tunnels: tunnels.len(),
    };
    tokio::join!(connections.cancel(), tunnels.cancel());
    drained
}

// === impl Drained ===

impl Add for Drained {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            tunnels: self.tunnels + other.tunnels,
        }
    }
}

impl Sum for Drained {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("all connections finished");
        }
        let plural = |count| if count == 1 { "" } else { "s" };
        write!(
            f,
            "closed {} connection{} and {} WebSocket{} that had not finished",
            self.connections,
            plural(self.connections),
            self.tunnels,
            plural(self.tunnels)
        )
    }
}
