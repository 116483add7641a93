//! The listening sockets: from systemd, from a predecessor, or new ones.
//!
//! A connection waits in the queue of a socket, not of a process. A socket that outlives the process
//! therefore carries connections over a restart: systemd keeps it (socket activation), or a running guard
//! passes it on (`--handover`).

use std::{
    error::Error,
    fmt::Write as _,
    future::pending,
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use gabion_proxy::{Handover, Listener, Predecessor, ServeOptions, take_over};
use listenfd::ListenFd;
use tokio::sync::oneshot;
use tracing::{info, warn};

/// Opens sockets, those of others first.
pub(crate) struct Sockets {
    /// Those that systemd passed.
    activated: Vec<TcpListener>,
    predecessor: Option<Predecessor>,
    /// Where they are passed on.
    handover: Option<PathBuf>,
    /// Handles of the opened ones, to pass on.
    opened: Vec<TcpListener>,
}

/// The offer to a successor, until it is dropped.
#[derive(Default)]
pub(crate) struct Offer {
    _handover: Option<Handover>,
    replaced: Option<oneshot::Receiver<()>>,
}

// === impl Sockets ===

impl Sockets {
    /// Takes the sockets of systemd, and of the guard that runs with the same `handover` path.
    pub(crate) fn take(handover: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let mut passed = ListenFd::from_env();
        let activated = (0..passed.len()).filter_map(|at| passed.take_tcp_listener(at).transpose());
        let activated = activated
            .collect::<io::Result<Vec<_>>>()
            .map_err(|error| format!("cannot use a socket that systemd passed: {error}"))?;
        let predecessor = match handover {
            None => None,
            Some(path) => take_over(path).map_err(|error| {
                let path = path.display();
                format!("cannot take over the sockets of the guard at {path}: {error}")
            })?,
        };
        Ok(Self {
            activated,
            predecessor,
            handover: handover.map(Path::to_owned),
            opened: Vec::new(),
        })
    }

    /// Opens the sockets of `addr` for `workers`.
    pub(crate) fn open(
        &mut self,
        addr: SocketAddr,
        workers: NonZeroUsize,
        options: ServeOptions,
    ) -> Result<Listener, Box<dyn Error>> {
        let listener = self.listen(addr, options)?.with_sockets(workers)?;
        if self.handover.is_some() {
            for socket in listener.sockets() {
                self.opened.push(socket.try_clone()?);
            }
        }
        Ok(listener)
    }

    /// Returns `true` if a running guard passes its sockets on, and ends.
    pub(crate) const fn has_predecessor(&self) -> bool {
        self.predecessor.is_some()
    }

    /// Takes a socket on `addr` that systemd or a running guard passed.
    pub(crate) fn passed(&mut self, addr: SocketAddr) -> Option<TcpListener> {
        let listens_on = |socket: &TcpListener| {
            let found = socket.local_addr();
            found.is_ok_and(|found| found == addr)
        };
        if let Some(at) = self.activated.iter().position(listens_on) {
            return Some(self.activated.swap_remove(at));
        }
        let taken = (self.predecessor.as_mut()).map(|predecessor| predecessor.sockets(addr));
        taken.and_then(|mut taken| taken.pop())
    }

    /// Keeps a handle of a socket that another part serves, to pass it on.
    pub(crate) fn keep(&mut self, socket: &TcpListener) -> io::Result<()> {
        if self.handover.is_some() {
            self.opened.push(socket.try_clone()?);
        }
        Ok(())
    }

    fn listen(
        &mut self,
        addr: SocketAddr,
        options: ServeOptions,
    ) -> Result<Listener, Box<dyn Error>> {
        let listens_on =
            |socket: &mut TcpListener| socket.local_addr().is_ok_and(|found| found == addr);
        let activated: Vec<_> = self.activated.extract_if(.., listens_on).collect();
        if !activated.is_empty() {
            info!("listens on {addr} with the socket of systemd");
            return Ok(Listener::from_sockets(activated, options)?);
        }
        let taken = (self.predecessor.as_mut()).map(|predecessor| predecessor.sockets(addr));
        if let Some(taken) = taken.filter(|taken| !taken.is_empty()) {
            info!("listens on {addr} with the sockets of the running guard");
            return Ok(Listener::from_sockets(taken, options)?);
        }
        Listener::bind(addr, options).map_err(|error| listen_error(addr, &error).into())
    }

    /// Passes the opened sockets on, now that connections are accepted on all of them: the predecessor stops, and a
    /// successor may come.
    pub(crate) fn pass_on(self) -> Result<Offer, Box<dyn Error>> {
        if let [socket, ..] = &*self.activated {
            let addr = socket.local_addr()?;
            return Err(format!(
                "systemd passed a socket on {addr}, but no listener has this address: set `ListenStream=` of the \
                 socket unit and the address of the guard to the same"
            )
            .into());
        }
        let mut offer = Offer::default();
        if let Some(path) = self.handover {
            let (sender, replaced) = oneshot::channel();
            let handover = Handover::offer(&path, self.opened, || {
                // The receiver is gone if the guard stops anyway.
                let _ = sender.send(());
            });
            let error = |error| format!("cannot offer sockets at {}: {error}", path.display());
            offer = Offer {
                _handover: Some(handover.map_err(error)?),
                replaced: Some(replaced),
            };
        }
        if let Some(predecessor) = self.predecessor
            && let Err(error) = predecessor.replace()
        {
            warn!("the guard whose sockets were taken over has ended already: {error}");
        }
        Ok(offer)
    }
}

fn listen_error(addr: SocketAddr, error: &io::Error) -> String {
    let mut text = format!("cannot listen on {addr}: {error}");
    if error.kind() == io::ErrorKind::AddrInUse {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "; if that is another guard, `--share-port` shares the address with it, and `--handover` replaces it"
        );
    }
    text
}

// === impl Offer ===

impl Offer {
    /// Completes when a successor accepts connections on the sockets.
    pub(crate) async fn replaced(&mut self) {
        if let Some(replaced) = &mut self.replaced
            && replaced.await.is_ok()
        {
            return;
        }
        self.replaced = None;
        pending::<()>().await;
    }
}
