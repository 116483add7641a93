//! Listeners, and the thread that serves them.

mod connection;
mod tcp;
mod unix;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

use axum::Router;
use tokio::{runtime, sync::oneshot};

use crate::{Admin, access::Access, api};
pub use tcp::{Stream, TcpListener, Tls, TlsFuture};
pub use unix::{Existing, UnixListener};

/// The reason why the API is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The system refuses the address or the path.
    #[error("cannot listen on {at}: {source}")]
    Io {
        /// The address or the path.
        at: String,
        /// The error of the system.
        source: io::Error,
    },
    /// Another process listens.
    #[error("another guard listens on {}: give each guard its own --state", path.display())]
    InUse {
        /// The path of the socket.
        path: PathBuf,
    },
    /// The path is not a socket.
    #[error("{} exists and is not a socket: remove it", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The address can be reached from other machines, and there is no TLS.
    #[error(
        "the admin address {addr} can be reached from other machines, so that it needs TLS: add --admin-cert FILE and \
         --admin-key FILE, or listen on 127.0.0.1"
    )]
    NeedsTls {
        /// The address.
        addr: SocketAddr,
    },
}

/// A thread that serves the API. Dropping it ends the thread, after the requests in progress.
#[derive(Debug)]
#[must_use = "dropping it ends the API"]
pub struct AdminServer {
    /// Dropped to stop.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    socket: Option<PathBuf>,
    addr: Option<SocketAddr>,
}

// === impl AdminServer ===

impl AdminServer {
    /// Serves the API on these listeners, on a thread with its own runtime.
    ///
    /// # Errors
    ///
    /// The system refuses a thread, or its resources.
    pub fn start(
        admin: Admin,
        unix: Option<UnixListener>,
        tcp: Option<TcpListener>,
    ) -> io::Result<Self> {
        let socket = unix.as_ref().map(|unix| unix.path().to_owned());
        let addr = tcp.as_ref().map(TcpListener::local_addr);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("guard-admin".to_owned());
        let thread = thread.spawn(move || {
            let router = |tcp| -> Router {
                api::router(admin.clone(), Arc::new(Access::new(admin.clone(), tcp)))
            };
            runtime.block_on(async {
                if let Some(unix) = unix {
                    let router = router(None);
                    tokio::spawn(unix.serve(router));
                }
                if let Some(tcp) = tcp {
                    let (tcp, access) = tcp.split();
                    let router = router(Some(access));
                    tokio::spawn(tcp.serve(router));
                }
                // An error is the end of the sender.
                let _ = stopped.await;
            });
            runtime.shutdown_timeout(std::time::Duration::from_secs(1));
        })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
            socket,
            addr,
        })
    }

    /// The path of the Unix socket.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// The TCP address.
    pub const fn local_addr(&self) -> Option<SocketAddr> {
        self.addr
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by the hook.
            let _ = thread.join();
        }
    }
}
