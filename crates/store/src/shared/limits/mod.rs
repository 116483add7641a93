//! Counts of limits shared between instances by Redis or Valkey.
//!
//! | key | content |
//! |---|---|
//! | `PREFIX:limit-secret` | the secret by which all instances hash keys: two numbers |
//! | `PREFIX:limits` | a stream: an entry for each message, with the instance (`i`) and its counts (`c`) |
//! | `PREFIX:limit:QUOTA:KEY` | the counter of an exact limit: the time at which its quota is full, in microseconds |
//!
//! Several times a second each instance publishes what it counted, and adds what the others did. What cannot be
//! published is not published later: it would count as taken now.

mod breaker;
mod connection;
mod exact;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gabion_core::{Event, LimitCount, Sink, StoreEvent, StorePart};
use redis::{RedisError, RedisResult};
use tokio::time::{self, MissedTickBehavior};

pub(super) use self::exact::{ExactLimits, RedisLimits};
use self::{
    connection::Connection,
    exact::ExactConnection,
    wire::{MAX_AGE, MAX_COUNTS},
};
use super::{
    connection::{Server, jittered},
    exchange::{FIRST_RETRY, LONGEST_RETRY},
    intake::Intake,
};
use crate::clock;

/// The time between two messages.
const INTERVAL: Duration = Duration::from_millis(200);

/// Exchanges counts, from the time at which there are any to exchange.
pub(super) struct LimitExchange {
    server: Server,
    intake: Arc<Intake>,
    exact: Arc<ExactLimits>,
    sink: Arc<dyn Sink>,
    is_reported: bool,
    retry: Duration,
}

// === impl LimitExchange ===

impl LimitExchange {
    pub(super) fn new(
        server: Server,
        intake: Arc<Intake>,
        exact: Arc<ExactLimits>,
        sink: Arc<dyn Sink>,
    ) -> Self {
        Self {
            server,
            intake,
            exact,
            sink,
            is_reported: false,
            retry: FIRST_RETRY,
        }
    }

    /// Runs until the intake is stopped.
    pub(super) async fn run(mut self) {
        let intake = Arc::clone(&self.intake);
        tokio::select! {
            () = self.exchange() => {}
            () = intake.stopped() => {}
        }
    }

    async fn exchange(&mut self) {
        self.intake.counts_attached().await;
        loop {
            let result = self.session().await;
            self.exact.connect(None);
            if let Err(error) = result {
                self.degrade(&error);
            }
            time::sleep(jittered(self.retry)).await;
            self.retry = (self.retry * 2).min(LONGEST_RETRY);
        }
    }

    /// One connection, until an error.
    async fn session(&mut self) -> RedisResult<()> {
        let (options, instance) = (self.server.options(), self.server.instance());
        let mut connection = Connection::open(options, instance).await?;
        let own = self.intake.counts().and_then(|counts| counts.secret());
        let secret = connection.secret(own).await?;
        let last = connection.mark().await?;
        let exact = ExactConnection::new(connection.exact()).await?;
        if let Some(counts) = self.intake.counts() {
            counts.share_by(secret);
            // Of the time before: too old to be added by others.
            counts.take_counts(&mut Vec::new());
        }
        self.exact.connect(Some(exact));
        self.recover();
        tokio::try_join!(
            publish(&self.intake, connection.clone()),
            read(&self.intake, connection.clone(), last),
        )?;
        Ok(())
    }

    fn recover(&mut self) {
        self.retry = FIRST_RETRY;
        self.intake.set(|status| status.shares_limits = true);
        if std::mem::take(&mut self.is_reported) {
            let event = StoreEvent::recovered(clock::wall(), StorePart::SharedLimits);
            self.sink.record(&Event::Store(event));
        }
    }

    fn degrade(&mut self, error: &RedisError) {
        let text = self.server.describe(error);
        self.intake.set(|status| {
            status.shares_limits = false;
            status.last_error = Some(text.as_str().into());
        });
        if !std::mem::replace(&mut self.is_reported, true) {
            let event = StoreEvent::degraded(clock::wall(), StorePart::SharedLimits, &text);
            self.sink.record(&Event::Store(event));
        }
    }
}

/// Publishes counts until an error.
async fn publish(intake: &Intake, mut connection: Connection) -> RedisResult<()> {
    let mut interval = time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut counts: Vec<LimitCount> = Vec::new();
    let mut since = clock::monotonic();
    loop {
        interval.tick().await;
        if let Some(source) = intake.counts() {
            source.take_counts(&mut counts);
        }
        let age = clock::monotonic().saturating_duration_since(since);
        since += age;
        if age <= MAX_AGE {
            publish_counts(intake, &mut connection, &counts, since, age).await?;
        }
        counts.clear();
    }
}

async fn publish_counts(
    intake: &Intake,
    connection: &mut Connection,
    counts: &[LimitCount],
    taken: Instant,
    age: Duration,
) -> RedisResult<()> {
    for batch in counts.chunks(MAX_COUNTS) {
        // Earlier batches take time.
        let age = age + clock::monotonic().saturating_duration_since(taken);
        connection.publish(&wire::write(age, batch)).await?;
        intake.set(|status| status.counts_published += batch.len() as u64);
    }
    Ok(())
}

/// Adds the counts of other instances until an error.
async fn read(intake: &Intake, mut connection: Connection, mut last: String) -> RedisResult<()> {
    loop {
        let read = connection.read(&last).await?;
        if let Some(newest) = read.last {
            last = newest;
        }
        let Some(counts) = intake.counts() else {
            continue;
        };
        let mut received = 0;
        for message in &read.messages {
            if message.age <= MAX_AGE {
                counts.add_counts(&message.counts, message.age);
                received += message.counts.len() as u64;
            }
        }
        intake.set(|status| {
            status.counts_received += received;
            status.skipped += read.skipped;
        });
    }
}
