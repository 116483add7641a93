//! One accept loop per core, each on a thread with its own runtime.

use std::{
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::watch,
};
use tracing::error;

use super::{
    accept::{Drained, serve},
    connection::HttpService,
    listen::{listen, listen_first},
    options::ServeOptions,
};
use crate::Tunnels;

/// Running accept loops, as started by [`workers`]. Dropping the value closes all their
/// connections.
#[derive(Debug)]
pub struct Workers {
    local_addr: SocketAddr,
    stop: watch::Sender<Option<Duration>>,
    threads: Vec<JoinHandle<Drained>>,
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
    let first = if options.shares_port {
        listen(addr)?
    } else {
        listen_first(addr)?
    };
    let local_addr = first.local_addr()?;
    let rest = (1..count.get()).map(|_| listen(local_addr));
    let listeners: Vec<_> = std::iter::once(Ok(first))
        .chain(rest)
        .collect::<io::Result<_>>()?;
    let factory = Arc::new(factory);
    let (stop, _) = watch::channel(None);
    let mut workers = Workers {
        local_addr,
        stop,
        threads: Vec::with_capacity(count.get()),
    };
    for (idx, listener) in listeners.into_iter().enumerate() {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (factory, options, stop) = (
            Arc::clone(&factory),
            options.clone(),
            workers.stop.subscribe(),
        );
        let run = move || run_worker(runtime, listener, &*factory, &options, stop);
        let thread = thread::Builder::new()
            .name(format!("gabion-{idx}"))
            .spawn(run)?;
        workers.threads.push(thread);
    }
    Ok(workers)
}

fn run_worker<S: HttpService>(
    runtime: Runtime,
    listener: TcpListener,
    factory: &dyn Fn(&Tunnels) -> S,
    options: &ServeOptions,
    mut stop: watch::Receiver<Option<Duration>>,
) -> Drained {
    let drained = runtime.block_on(async {
        let tunnels = Tunnels::default();
        let service = factory(&tunnels);
        let grace = async {
            let received = stop.wait_for(Option::is_some).await;
            received.ok().and_then(|grace| *grace).unwrap_or_default()
        };
        serve(listener, service, tunnels, options, grace).await
    });
    // A name resolution that is still running must not delay the shutdown.
    runtime.shutdown_background();
    drained
}

// === impl Workers ===

impl Workers {
    /// Returns the address that the workers listen on.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
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
