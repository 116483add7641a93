//! One accept loop for each core, each on a thread with a runtime of its own.

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
    listen::listen,
    options::ServeOptions,
};
use crate::Tunnels;

/// Running accept loops. Dropping them cuts whatever they serve.
#[derive(Debug)]
pub struct Workers {
    local_addr: SocketAddr,
    stop: watch::Sender<Option<Duration>>,
    threads: Vec<JoinHandle<Drained>>,
}

/// Starts `count` workers, each a thread with its own listener on `addr`, its own runtime and its
/// own service from `factory`, so that no two share a pool or a lock. Port 0 picks a port, the same
/// for all.
///
/// # Errors
///
/// What the system refuses: the address, a thread, a runtime. Nothing is left running then.
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
    let first = listen(addr)?;
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
    // A name that is still being resolved holds up no one.
    runtime.shutdown_background();
    drained
}

// === impl Workers ===

impl Workers {
    /// Where they listen.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops accepting, waits at most `grace` for what is at work, cuts the rest, and ends the
    /// threads. Blocks until then.
    pub fn shutdown(self, grace: Duration) -> Drained {
        self.stop.send_replace(Some(grace));
        let join = |thread: JoinHandle<Drained>| {
            thread.join().unwrap_or_else(|_| {
                error!(target: "gabion::proxy", "a worker had panicked");
                Drained::default()
            })
        };
        self.threads.into_iter().map(join).sum()
    }
}
