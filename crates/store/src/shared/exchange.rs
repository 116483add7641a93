//! The exchange of changes: connects, loads, publishes and reads, until it is stopped.

use std::{sync::Arc, time::Duration};

use gabion_core::{Event, Sink, StoreEvent, StorePart};
use redis::{RedisError, RedisResult};
use tokio::{sync::mpsc, time};

use super::{
    SharedState,
    change::Change,
    connection::{BATCH, Connection, Earlier, Server, jittered},
    intake::Intake,
    reader::{OnUpdate, Reader},
};
use crate::clock;

pub(super) const FIRST_RETRY: Duration = Duration::from_millis(100);
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// The time that the last changes have to be published at the end.
const LAST_PUBLISH: Duration = Duration::from_secs(2);

pub(super) struct Exchange {
    server: Server,
    intake: Arc<Intake>,
    sink: Arc<dyn Sink>,
    publisher: Publisher,
    reader: Reader,
    is_reported: bool,
    retry: Duration,
}

/// Publishes the queue.
struct Publisher {
    intake: Arc<Intake>,
    receiver: mpsc::Receiver<Change>,
    /// Changes that Redis did not acknowledge.
    batch: Vec<Change>,
}

// === impl Exchange ===

impl Exchange {
    pub(super) fn new(
        server: Server,
        intake: Arc<Intake>,
        receiver: mpsc::Receiver<Change>,
        sink: Arc<dyn Sink>,
        on_update: OnUpdate,
    ) -> Self {
        Self {
            server,
            sink,
            publisher: Publisher {
                intake: Arc::clone(&intake),
                receiver,
                batch: Vec::with_capacity(BATCH),
            },
            reader: Reader::new(Arc::clone(&intake), on_update),
            intake,
            is_reported: false,
            retry: FIRST_RETRY,
        }
    }

    /// Runs until the intake is stopped.
    pub(super) async fn run(mut self) {
        let intake = Arc::clone(&self.intake);
        loop {
            let error = tokio::select! {
                result = self.session() => result.err(),
                () = intake.stopped() => break,
            };
            if let Some(error) = error {
                self.degrade(&error);
            }
            let wait = jittered(self.retry);
            self.retry = (self.retry * 2).min(LONGEST_RETRY);
            tokio::select! {
                () = time::sleep(wait) => {}
                () = intake.stopped() => break,
            }
        }
        let _ = time::timeout(LAST_PUBLISH, self.finish()).await;
        intake.set(|status| status.state = SharedState::Closed);
    }

    /// One connection, until an error.
    async fn session(&mut self) -> RedisResult<()> {
        let connection = self.server.connect().await?;
        // What is lifted here must not be loaded as banned.
        self.publisher
            .publish_queued(&mut connection.clone())
            .await?;
        self.reader.catch_up(&mut connection.clone()).await?;
        self.recover();
        tokio::try_join!(
            self.publisher.run(connection.clone()),
            self.reader.run(connection),
        )?;
        Ok(())
    }

    async fn finish(&mut self) -> RedisResult<()> {
        if self.publisher.is_empty() {
            return Ok(());
        }
        let mut connection = self.server.connect().await?;
        self.publisher.publish_queued(&mut connection).await
    }

    fn recover(&mut self) {
        self.retry = FIRST_RETRY;
        self.intake.set(|status| status.state = SharedState::Ready);
        if std::mem::take(&mut self.is_reported) {
            let event = StoreEvent::recovered(clock::wall(), StorePart::Shared);
            self.sink.record(&Event::Store(event));
        }
    }

    fn degrade(&mut self, error: &RedisError) {
        let text = self.server.describe(error);
        self.intake.set(|status| {
            status.state = SharedState::Degraded;
            status.last_error = Some(text.as_str().into());
        });
        if !std::mem::replace(&mut self.is_reported, true) {
            let event = StoreEvent::degraded(clock::wall(), StorePart::Shared, &text);
            self.sink.record(&Event::Store(event));
        }
    }
}

// === impl Publisher ===

impl Publisher {
    fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.receiver.is_empty()
    }

    async fn run(&mut self, mut connection: Connection) -> RedisResult<()> {
        loop {
            if self.batch.is_empty() {
                // Ends never: the intake has the sender.
                self.receiver.recv_many(&mut self.batch, BATCH).await;
            }
            self.publish_batch(&mut connection).await?;
        }
    }

    /// Publishes all that is queued.
    async fn publish_queued(&mut self, connection: &mut Connection) -> RedisResult<()> {
        loop {
            while self.batch.len() < BATCH
                && let Ok(change) = self.receiver.try_recv()
            {
                self.batch.push(change);
            }
            if self.batch.is_empty() {
                return Ok(());
            }
            self.publish_batch(connection).await?;
        }
    }

    async fn publish_batch(&mut self, connection: &mut Connection) -> RedisResult<()> {
        let ids = connection.publish(&self.batch, Earlier::Counts).await?;
        let published = ids.iter().filter(|id| !id.is_empty()).count() as u64;
        self.intake.note_taken(self.batch.len());
        self.batch.clear();
        self.intake.set(|status| {
            status.published += published;
            status.last_response = Some(clock::wall());
        });
        Ok(())
    }
}
