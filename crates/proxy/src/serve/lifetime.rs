//! The end of a connection.

use std::{future::pending, pin::Pin, sync::OnceLock, time::Duration};

use tokio::{select, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Connections,
    activity::{Activity, Unused},
    connections::ConnectionSlot,
};
use crate::cancellation::Cancellation;

/// The conditions that end a connection: the drain, or a policy that denies its peer.
pub(super) struct ConnectionLifetime<'r> {
    pub(super) stopping: &'r CancellationToken,
    /// Set in a drain: how long an idle connection stays open for another request.
    pub(super) idle_grace: &'r OnceLock<Duration>,
    pub(super) slot: Option<&'r ConnectionSlot>,
}

// === impl ConnectionLifetime ===

impl ConnectionLifetime<'_> {
    /// Completes when the connection should end after its current request.
    pub(super) async fn ended(&self) {
        let shutdown = self.slot.map_or(self.stopping, ConnectionSlot::graceful);
        Cancellation::new(shutdown.clone()).await;
    }

    /// Completes when the connection should end without a request. During a drain its client may be about to
    /// send one: a connection that was just accepted is then closed only if it stays silent.
    pub(super) async fn ended_without_request(&self) {
        self.ended().await;
        self.idle_grace().await;
    }

    /// Completes when an HTTP/1 connection that is to end need not wait for another request: at once, unless
    /// it is idle in a drain. A request that arrives then is answered, with the announcement that the
    /// connection ends ([`Activity`]); closed at that moment, its client could not know if it was.
    pub(super) async fn last_request(&self, activity: &Activity) {
        if activity.is_idle() {
            self.idle_grace().await;
        }
    }

    async fn idle_grace(&self) {
        // Unset if the connection ends for another reason.
        if let Some(grace) = self.idle_grace.get() {
            sleep(*grace).await;
        }
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

    /// Serves `connection` to its end. After its lifetime has ended, it shuts down gracefully as soon as
    /// `last_request` completes, and lingers until `lingered` at most; when it is idle, as soon as its client has
    /// seen that. When it is stalled, it ends at once.
    pub(super) async fn serve<C>(
        &self,
        mut connection: Pin<&mut C>,
        (last_request, shut_down): (impl Future<Output = ()>, fn(Pin<&mut C>)),
        (unused, lingered): (impl Future<Output = Unused>, impl Future<Output = Unused>),
    ) -> hyper::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        select! {
            ended = connection.as_mut() => ended,
            () = self.ended() => {
                select! {
                    ended = connection.as_mut() => return ended,
                    () = last_request => shut_down(connection.as_mut()),
                }
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
