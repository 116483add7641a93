//! The accept loop.

use std::{fmt, io, iter::Sum, ops::Add, pin::pin, time::Duration};

use gabion_core::PeerAddr;
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    time::{sleep, timeout},
};
use tracing::warn;

use super::{
    connection::{ConnectionHandler, HttpService},
    listen::configure_accepted,
    options::ServeOptions,
};
use crate::{Tunnels, tunnels::TaskSet};

/// How long accepting pauses when it fails for want of something, such as file descriptors: what
/// is missing must first be given back.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// What a drain had to cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Connections with a request that was still being answered.
    pub connections: usize,
    /// WebSockets that were still open. One over HTTP/2 also counts as a connection.
    pub tunnels: usize,
}

/// Accepts connections and serves each with a clone of `service`, until `stop` says how long what is
/// at work may still take.
///
/// Each request carries its [`PeerAddr`] in its extensions, and a [`Framing`](gabion_core::Framing)
/// where its head named its length twice, or nobody can say. A connection whose request to leave
/// HTTP/1 is refused ends with the answer.
///
/// When `stop` has spoken, connections end after the request they are at, and a WebSocket that is
/// asked for is refused (503). Those beyond the time, like
/// WebSockets in `tunnels`, are cut; the count of them is returned.
///
/// # Cancellation
///
/// Dropping the future stops accepting; connections go on without it.
pub async fn serve<S: HttpService>(
    listener: TcpListener,
    service: S,
    tunnels: Tunnels,
    options: &ServeOptions,
    stop: impl Future<Output = Duration>,
) -> Drained {
    let handler = ConnectionHandler::new(options);
    let connections = TaskSet::default();
    let mut stop = pin!(stop);
    let grace = loop {
        let accepted = select! {
            grace = stop.as_mut() => break grace,
            accepted = accept(&listener) => accepted,
        };
        if let Some((socket, peer)) = accepted {
            connections.spawn(handler.clone().handle(socket, peer, service.clone()));
        }
    };
    drop(listener);
    tunnels.close();
    handler.shut_down();
    drain(&connections, tunnels.tasks(), grace).await
}

/// Accepts one connection; `None` where that one, or all for the moment, cannot be had.
async fn accept(listener: &TcpListener) -> Option<(TcpStream, PeerAddr)> {
    let accepted = listener.accept().await.and_then(|(socket, peer)| {
        configure_accepted(&socket)?;
        Ok((socket, PeerAddr::new(peer)))
    });
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) if is_connection_error(&error) => None,
        Err(error) => {
            warn!(target: "gabion::proxy", "cannot accept connections: {error}; trying again");
            sleep(RETRY_DELAY).await;
            None
        }
    }
}

/// Whether the connection broke off before it was served (`configure_accepted` then finds it invalid).
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
    // Whether or not all are done in time, those left are counted and cut.
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
            return f.write_str("nothing was cut");
        }
        write!(
            f,
            "cut {} connections and {} WebSockets",
            self.connections, self.tunnels
        )
    }
}
