//! One accept loop per core, each on a thread with its own runtime.

use std::{
    io,
    net::{self, SocketAddr},
    num::NonZeroUsize,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    select,
    sync::watch,
};
use tracing::error;

use super::{
    accept::{Drained, serve_all},
    listen::{listen, listen_first},
    options::ServeOptions,
    renewal::{Renewal, RenewalRequests, renew_services},
    service::HttpService,
    worker_service::WorkerService,
};
use crate::Tunnels;

/// Running accept loops, as started by [`workers`]. Dropping the value closes all their
/// connections.
#[derive(Debug)]
pub struct Workers {
    local_addrs: Vec<SocketAddr>,
    stop: watch::Sender<Option<Duration>>,
    renewal: Renewal,
    threads: Vec<JoinHandle<Drained>>,
}

/// Listening sockets of one address, and the options of their connections.
#[derive(Debug)]
pub struct Listener {
    local_addr: SocketAddr,
    /// At least one. Each worker accepts connections on one of them, or on several if there are fewer workers.
    sockets: Vec<net::TcpListener>,
    options: ServeOptions,
}

/// Starts `count` accept loops ([`serve`](crate::serve)), each on a thread with its own listener on
/// `addr`, its own runtime and its own service from `factory`, so that no two share a pool or a
/// lock. Port 0 picks one free port for all.
///
/// # Errors
///
/// Returns the system's error if the address, a thread or a runtime is not available. No thread is
/// left running then. An address on which another process listens is not available, unless
/// [`ServeOptions::with_shared_port`].
///
/// # Examples
///
/// ```
/// use std::{net::TcpStream, num::NonZeroUsize, time::Duration};
///
/// use gabion_proxy::{Drained, Proxy, ProxyOptions, ServeOptions, Upstream, workers};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let upstream: Upstream = "http://127.0.0.1:5000".parse()?;
/// let start = |addr: &str| {
///     let upstream = upstream.clone();
///     let new = move |tunnels: &_| {
///         Proxy::new(upstream.clone(), &ProxyOptions::default(), Clone::clone(tunnels))
///     };
///     let count = NonZeroUsize::new(2).unwrap();
///     workers(count, addr.parse().unwrap(), &ServeOptions::default(), new)
/// };
///
/// let workers = start("127.0.0.1:0")?;
/// assert!(start(&workers.local_addr().to_string()).is_err());
/// assert!(TcpStream::connect(workers.local_addr()).is_ok());
/// assert_eq!(workers.shutdown(Duration::from_secs(1)), Drained::default());
///
/// // An address of another machine is an error, and so is one on which others listen.
/// assert!(start("192.0.2.1:0").is_err());
/// # Ok(())
/// # }
/// ```
pub fn workers<S, F>(
    count: NonZeroUsize,
    addr: SocketAddr,
    options: &ServeOptions,
    factory: F,
) -> io::Result<Workers>
where
    S: HttpService,
    F: Fn(&Tunnels) -> S + Send + Sync + 'static,
{
    let listener = Listener::bind(addr, options.clone())?;
    workers_on(count, vec![listener], factory)
}

/// Like [`workers`], with several listeners: each thread accepts connections on all of them, and serves them with
/// one service.
///
/// # Errors
///
/// As for [`workers`], and if there is no listener.
///
/// # Examples
///
/// ```
/// use std::{num::NonZeroUsize, time::Duration};
///
/// use gabion_proxy::{
///     Listener, Protocols, Proxy, ProxyOptions, ServeOptions, Upstream, workers_on,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let upstream: Upstream = "http://127.0.0.1:5000".parse()?;
/// let options = ServeOptions::default();
/// let listeners = vec![
///     Listener::bind("127.0.0.1:0".parse()?, options.clone())?,
///     Listener::bind("127.0.0.1:0".parse()?, options.with_protocols(Protocols::Http1AndPriorKnowledge))?,
/// ];
/// let workers = workers_on(NonZeroUsize::MIN, listeners, move |tunnels| {
///     Proxy::new(upstream.clone(), &ProxyOptions::default(), tunnels.clone())
/// })?;
/// for addr in workers.local_addrs() {
///     assert!(std::net::TcpStream::connect(addr).is_ok());
/// }
/// workers.shutdown(Duration::ZERO);
/// # Ok(())
/// # }
/// ```
pub fn workers_on<S, F>(
    count: NonZeroUsize,
    listeners: Vec<Listener>,
    factory: F,
) -> io::Result<Workers>
where
    S: HttpService,
    F: Fn(&Tunnels) -> S + Send + Sync + 'static,
{
    if listeners.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no listener"));
    }
    let local_addrs = listeners
        .iter()
        .map(|listener| listener.local_addr)
        .collect();
    let mut shares: Vec<_> = (0..count.get()).map(|_| Vec::new()).collect();
    for listener in listeners {
        let Listener {
            sockets, options, ..
        } = listener.with_sockets(count)?;
        for (at, socket) in sockets.into_iter().enumerate() {
            if let Some(share) = shares.get_mut(at % count) {
                share.push((socket, options.clone()));
            }
        }
    }
    let factory = Arc::new(factory);
    let (stop, _) = watch::channel(None);
    let mut workers = Workers {
        local_addrs,
        stop,
        renewal: Renewal::new(count.get()),
        threads: Vec::with_capacity(count.get()),
    };
    for (idx, share) in shares.into_iter().enumerate() {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listeners = {
            let _entered = runtime.enter();
            let listeners = share
                .into_iter()
                .map(|(socket, options)| Ok((TcpListener::from_std(socket)?, options)));
            listeners.collect::<io::Result<_>>()?
        };
        let (factory, stop) = (Arc::clone(&factory), workers.stop.subscribe());
        let renewals = workers.renewal.subscribe();
        let run = move || run_worker(runtime, listeners, &*factory, (stop, renewals));
        let thread = thread::Builder::new()
            .name(format!("gabion-{idx}"))
            .spawn(run)?;
        workers.threads.push(thread);
    }
    Ok(workers)
}

fn run_worker<S: HttpService>(
    runtime: Runtime,
    listeners: Vec<(TcpListener, ServeOptions)>,
    factory: &dyn Fn(&Tunnels) -> S,
    (mut stop, renewals): (watch::Receiver<Option<Duration>>, RenewalRequests),
) -> Drained {
    let drained = runtime.block_on(async {
        let tunnels = Tunnels::default();
        let service = WorkerService::new(factory(&tunnels));
        let (renewed, renewed_tunnels) = (service.clone(), tunnels.clone());
        let grace = async {
            let renewals = renew_services(renewals, &renewed, &renewed_tunnels, factory);
            let grace = select! {
                received = stop.wait_for(Option::is_some) => received.ok().and_then(|grace| *grace),
                // The workers are dropped.
                () = renewals => None,
            };
            grace.unwrap_or_default()
        };
        serve_all(listeners, service, tunnels, grace).await
    });
    // A name resolution that is still running must not delay the shutdown.
    runtime.shutdown_background();
    drained
}

// === impl Listener ===

impl Listener {
    /// Listens on `addr`. Port 0 picks a free port.
    ///
    /// # Errors
    ///
    /// Returns the system's error if the address is not available. An address on which another process listens is
    /// not, unless [`ServeOptions::with_shared_port`].
    pub fn bind(addr: SocketAddr, options: ServeOptions) -> io::Result<Self> {
        let socket = if options.shares_port {
            listen(addr)?
        } else {
            listen_first(addr)?
        };
        Self::from_sockets(vec![socket], options)
    }

    /// Accepts connections on `sockets`, which another process opened: a predecessor, or systemd. All listen on
    /// the same address.
    ///
    /// # Errors
    ///
    /// If there is no socket, or if they listen on different addresses.
    pub fn from_sockets(sockets: Vec<net::TcpListener>, options: ServeOptions) -> io::Result<Self> {
        let error = |message| io::Error::new(io::ErrorKind::InvalidInput, message);
        let first = sockets.first().ok_or_else(|| error("no socket"))?;
        let local_addr = first.local_addr()?;
        for socket in &sockets {
            if socket.local_addr()? != local_addr {
                return Err(error("the sockets listen on different addresses"));
            }
            socket.set_nonblocking(true)?;
        }
        Ok(Self {
            local_addr,
            sockets,
            options,
        })
    }

    /// Has at least `count` sockets, one for each worker: the system then spreads connections over them.
    ///
    /// # Errors
    ///
    /// Returns the system's error if the limit of open files is reached.
    pub fn with_sockets(mut self, count: NonZeroUsize) -> io::Result<Self> {
        let opened = self.sockets.len();
        for at in opened..count.get() {
            let socket = listen(self.local_addr).or_else(|_| {
                // Without `SO_REUSEPORT`, as systemd opens it, a socket is shared instead.
                self.sockets[at % opened].try_clone()
            })?;
            self.sockets.push(socket);
        }
        Ok(self)
    }

    /// The sockets, for a successor.
    pub fn sockets(&self) -> &[net::TcpListener] {
        &self.sockets
    }

    /// Returns the address that it listens on.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

// === impl Workers ===

impl Workers {
    /// Returns the first address that the workers listen on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addrs[0]
    }

    /// Returns the addresses that the workers listen on, in the order of the listeners.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// Returns a handle that lets each worker create its service again, by its factory.
    pub fn renewal(&self) -> Renewal {
        self.renewal.clone()
    }

    /// Stops accepting, waits at most `grace` for requests and WebSockets in progress, closes the
    /// remaining ones, and joins the threads. Blocks until then.
    pub fn shutdown(self, grace: Duration) -> Drained {
        self.stop.send_replace(Some(grace));
        let join = |thread: JoinHandle<Drained>| {
            thread.join().unwrap_or_else(|_| {
                error!(
                    target: "gabion::proxy",
                    "a worker thread panicked; its connections are closed and not counted"
                );
                Drained::default()
            })
        };
        self.threads.into_iter().map(join).sum()
    }
}
