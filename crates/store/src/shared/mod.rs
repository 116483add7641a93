//! Bans shared between instances by Redis or Valkey.
//!
//! Two hashes hold the last change of each network, and a stream the changes in their order:
//!
//! | key | content |
//! |---|---|
//! | `PREFIX:bans` | by network: its ban, or that it was lifted or forgotten |
//! | `PREFIX:allows` | by network: its exemption, or that it ended |
//! | `PREFIX:changes` | the stream: an entry for each change, with the instance that made it |
//!
//! A script changes hash and stream together. Each value begins with the time of the change in
//! microseconds, 16 digits; the later change of a network counts, and a change that is at most 10 seconds
//! earlier counts as later, because clocks differ.
//!
//! A lifted or forgotten network stays in the hash for 31 days, so that no instance brings its ban back from a file.
//! Earlier entries about a forgotten network stay in the stream until newer ones displace them.
//!
//! The counts of limits have keys of their own, see `limits`.
//!
//! # Continuity
//!
//! An instance remembers the last entry that it read. With each read, at least once a second, and after each
//! connection, it checks that this entry is still in the stream. If it is, nothing was missed. If it is not, because the instance was away
//! for longer than the stream reaches back, or Redis lost its data, the instance loads both hashes, and
//! publishes each ban of its own that is missing there or was changed earlier.

mod change;
mod connection;
mod exchange;
mod intake;
mod limits;
mod options;
mod reader;
mod status;
mod wire;

use std::{
    fmt,
    sync::{Arc, Weak},
    thread::{self, JoinHandle},
    time::Duration,
};

use gabion_core::{
    BanSource, BanUpdate, ChangeListener, LimitCounts, RemoteLimits, Sink, UpdateOrigin,
};
use ipnet::IpNet;

pub use options::SharedOptions;
pub use status::{SharedError, SharedState, SharedStatus};

use self::{
    connection::Server,
    exchange::Exchange,
    intake::Intake,
    limits::{ExactLimits, LimitExchange, RedisLimits},
};

/// The time that a dropped value has to end its thread.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bans, exemptions and their ends, exchanged with other instances by Redis or Valkey.
///
/// Subscribe it to the table of bans as a [`ChangeListener`], and [attach](Self::attach) the table. It
/// publishes changes by rules and operators of this instance; those of others are passed to the
/// function given to [`Self::start`], which applies its own safelist, prefix limits and budgets.
///
/// Nothing waits for Redis but a thread with a runtime of its own. While Redis does not respond, changes
/// are queued and bans of this instance keep working.
///
/// # Cost
///
/// An update costs one insertion into a bounded queue.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::{sync::Arc, time::Duration};
/// # use gabion_core::{BanUpdate, Sink};
/// use gabion_store::{SharedBans, SharedOptions};
///
/// # fn apply_peer_update(update: BanUpdate) {}
/// # fn example(sink: Arc<dyn Sink>) -> Result<(), Box<dyn std::error::Error>> {
/// let options = SharedOptions::new("redis://:password@127.0.0.1:6379")?;
/// let shared = SharedBans::start(options, sink, |update| apply_peer_update(update))?;
/// // Before the listener opens: all bans of the others, if Redis responds.
/// let is_ready = shared.wait_ready(Duration::from_secs(5));
/// # Ok(())
/// # }
/// # Ok(())
/// # }
/// ```
pub struct SharedBans {
    intake: Arc<Intake>,
    exact: Arc<ExactLimits>,
    thread: Option<JoinHandle<()>>,
}

// === impl SharedBans ===

impl SharedBans {
    /// Starts the thread that connects to Redis and exchanges changes. `on_update` is called on it with
    /// each change of another instance, and does not block for long. State changes are reported to `sink`.
    ///
    /// # Errors
    ///
    /// Fails if the thread cannot be started. A server that does not respond is no error: see
    /// [`Self::status`].
    pub fn start(
        options: SharedOptions,
        sink: Arc<dyn Sink>,
        on_update: impl Fn(BanUpdate) + Send + Sync + 'static,
    ) -> Result<Self, SharedError> {
        let (intake, receiver) = Intake::new(options.queue);
        let intake = Arc::new(intake);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(SharedError::Thread)?;
        let exact = ExactLimits::new(Server::new(options.clone()), Arc::clone(&sink));
        let exact = Arc::new(exact);
        let limits = LimitExchange::new(
            Server::new(options.clone()),
            Arc::clone(&intake),
            Arc::clone(&exact),
            Arc::clone(&sink),
        );
        let exchange = Exchange::new(
            Server::new(options),
            Arc::clone(&intake),
            receiver,
            sink,
            Box::new(on_update),
        );
        let thread = thread::Builder::new().name("gabion-shared".to_owned());
        let run = move || {
            runtime.block_on(async {
                tokio::join!(limits.run(), exchange.run());
            });
        };
        let thread = thread.spawn(run).map_err(SharedError::Thread)?;
        let thread = Some(thread);
        Ok(Self {
            intake,
            exact,
            thread,
        })
    }

    /// Attaches the table of bans, which is compared with Redis when changes may have been missed. It is
    /// held weakly, and replaces an earlier one.
    pub fn attach(&self, source: Weak<dyn BanSource>) {
        self.intake.attach(source);
    }

    /// Exchanges the counts of limits with other instances from now on: several times a second, without the
    /// bans' guarantees. They are held weakly. While Redis does not respond, each instance counts alone.
    pub fn share_limits(&self, counts: Weak<dyn LimitCounts>) {
        self.intake.attach_counts(counts);
    }

    /// Returns the decisions about exact limits, after [`Self::share_limits`]: a request waits at most 10 ms for
    /// Redis. After five failures in a row nothing waits for a second, and then one request, until it is
    /// answered.
    ///
    /// Its futures need a runtime of tokio with timers.
    pub fn exact_limits(&self) -> Arc<dyn RemoteLimits> {
        Arc::new(RedisLimits(Arc::clone(&self.exact)))
    }

    /// Waits until the bans of the other instances are loaded for the first time, for at most `timeout`.
    /// Returns whether they are.
    pub fn wait_ready(&self, timeout: Duration) -> bool {
        self.intake.wait_ready(timeout)
    }

    /// The state of the connection, and counts.
    pub fn status(&self) -> SharedStatus {
        self.exact.add_to(self.intake.status())
    }
}

impl ChangeListener for SharedBans {
    fn on_ban(&self, _client: IpNet) {}

    fn on_policy_replaced(&self) {}

    fn on_ban_update(&self, update: &BanUpdate, origin: UpdateOrigin) {
        match origin {
            UpdateOrigin::Rule | UpdateOrigin::Operator => self.intake.push(update.clone()),
            UpdateOrigin::Peer | UpdateOrigin::Store => {}
        }
    }
}

impl Drop for SharedBans {
    /// Publishes what is queued if Redis responds, for at most 5 seconds.
    fn drop(&mut self) {
        self.intake.stop();
        if let Some(thread) = self.thread.take()
            && self.intake.wait_ended(CLOSE_TIMEOUT)
        {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for SharedBans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBans")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
