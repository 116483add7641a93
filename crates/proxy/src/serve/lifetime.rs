//! The end of a connection.

use std::{future::pending, pin::Pin};

use tokio::{select, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Connections, activity::Unused, connections::ConnectionSlot};

/// The conditions that end a connection: the drain, or a policy that denies its peer.
pub(super) struct ConnectionLifetime<'r> {
    pub(super) stopping: &'r CancellationToken,
    pub(super) slot: Option<&'r ConnectionSlot>,
}

// === impl ConnectionLifetime ===

impl ConnectionLifetime<'_> {
    /// Completes when the connection should end after its current request.
    pub(super) async fn ended(&self) {
        let shutdown = self.slot.map_or(self.stopping, ConnectionSlot::graceful);
        shutdown.cancelled().await;
    }

    /// Completes when a connection that is to end has lingered long enough: with a request in progress, only if
    /// its peer is denied. During a drain it never completes: the grace period applies instead.
    async fn linger_elapsed(&self, lingered: impl Future<Output = Unused>) {
        match self.slot {
            Some(slot) if !self.stopping.is_cancelled() => select! {
                () = slot.denied().cancelled() => sleep(Connections::LINGER).await,
                _ = lingered => {}
            },
            _ => pending().await,
        }
    }

    /// Serves `connection` to its end. After its lifetime has ended, it shuts down gracefully, and lingers until
    /// `lingered` at most; when it is idle, as soon as its client has seen that. When it is stalled, it ends at
    /// once.
    pub(super) async fn serve<C>(
        &self,
        mut connection: Pin<&mut C>,
        shut_down: fn(Pin<&mut C>),
        (unused, lingered): (impl Future<Output = Unused>, impl Future<Output = Unused>),
    ) -> hyper::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        select! {
            ended = connection.as_mut() => ended,
            () = self.ended() => {
                shut_down(connection.as_mut());
                select! {
                    ended = connection => ended,
                    () = self.linger_elapsed(lingered) => Ok(()),
                }
            }
            unused = unused => match unused {
                Unused::Idle => {
                    shut_down(connection.as_mut());
                    connection.await
                }
                Unused::Stalled => Ok(()),
            }
        }
    }
}
