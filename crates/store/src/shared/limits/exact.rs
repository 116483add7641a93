//! Exact limits: a script with one counter for all instances.

use std::{
    hash::{BuildHasher as _, RandomState},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gabion_core::{Event, Mode, RemoteCheck, RemoteLimits, Sink, StoreEvent, StorePart};
use redis::{Cmd, RedisError, RedisResult, aio::MultiplexedConnection, cmd};
use tokio::time;

use super::breaker::Breaker;
use crate::{
    clock,
    shared::{SharedStatus, connection::Server},
    writer::lock,
};

/// The longest wait of a request.
const BUDGET: Duration = Duration::from_millis(10);

/// Takes units from all quotas, if each enforced one has enough. Returns for each the microseconds until it has
/// enough, 0 if it has.
///
/// Keys: the quotas. Arguments for each: the microseconds per unit, the burst, the units, and 1 if it is
/// enforced. A quota is the time at which it is full again, by the clock of the server.
const CHECK: &str = r"
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local waits, times, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 4
  local interval, window = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 1]) * tonumber(ARGV[at + 2])
  local full = math.max(tonumber(redis.call('GET', key) or '0') or 0, now)
  times[i] = math.min(full, now + window) + interval * tonumber(ARGV[at + 3])
  -- Times have a precision of a quarter of a microsecond.
  local wait = times[i] - now - window
  if wait < 0.5 then waits[i] = 0 else
    waits[i] = math.ceil(wait)
    refused = refused or ARGV[at + 4] == '1'
  end
end
if not refused then
  for i, key in ipairs(KEYS) do
    if waits[i] == 0 then
      local left = math.max(math.ceil((times[i] - now) / 1000), 1)
      redis.call('SET', key, string.format('%.2f', times[i]), 'PX', string.format('%.0f', left))
    end
  end
end
return waits
";

/// Asks Redis about exact limits, with a budget and a breaker.
pub(in crate::shared) struct ExactLimits {
    prefix: String,
    server: Server,
    connection: Mutex<Option<ExactConnection>>,
    breaker: Breaker,
    sink: Arc<dyn Sink>,
    decided: AtomicU64,
    undecided: AtomicU64,
}

/// The side of the requests.
pub(in crate::shared) struct RedisLimits(pub(in crate::shared) Arc<ExactLimits>);

/// A connection on which the script is loaded.
#[derive(Clone)]
pub(super) struct ExactConnection {
    commands: MultiplexedConnection,
    script: String,
}

/// The keys and arguments of one call of the script.
struct Call {
    keys: Vec<String>,
    args: Vec<String>,
}

/// An answer that did not come.
enum Failure {
    NotConnected,
    TimedOut,
    Redis(RedisError),
}

// === impl ExactLimits ===

impl ExactLimits {
    pub(in crate::shared) fn new(server: Server, sink: Arc<dyn Sink>) -> Self {
        Self {
            prefix: server.options().prefix.clone(),
            server,
            connection: Mutex::default(),
            breaker: Breaker::default(),
            sink,
            decided: AtomicU64::new(0),
            undecided: AtomicU64::new(0),
        }
    }

    /// Sets the connection; `None` if there is none.
    pub(super) fn connect(&self, connection: Option<ExactConnection>) {
        *lock(&self.connection) = connection;
    }

    pub(in crate::shared) fn add_to(&self, status: SharedStatus) -> SharedStatus {
        SharedStatus {
            exact_decided: self.decided.load(Ordering::Relaxed),
            exact_undecided: self.undecided.load(Ordering::Relaxed),
            ..status
        }
    }

    /// Returns the waits, or an empty list if there is no answer.
    async fn decide(&self, call: Call) -> Vec<Duration> {
        if !self.breaker.admits(clock::monotonic()) {
            self.undecided.fetch_add(1, Ordering::Relaxed);
            return Vec::new();
        }
        let result = self.ask(&call).await;
        match result {
            Ok(waits) => {
                self.decided.fetch_add(1, Ordering::Relaxed);
                if self.breaker.note_success() {
                    let event = StoreEvent::recovered(clock::wall(), StorePart::ExactLimits);
                    self.sink.record(&Event::Store(event));
                }
                waits.into_iter().map(add_jitter).collect()
            }
            Err(failure) => {
                self.undecided.fetch_add(1, Ordering::Relaxed);
                if self.breaker.note_failure(clock::monotonic()) {
                    let text = self.describe(&failure);
                    let event = StoreEvent::degraded(clock::wall(), StorePart::ExactLimits, &text);
                    self.sink.record(&Event::Store(event));
                }
                Vec::new()
            }
        }
    }

    async fn ask(&self, call: &Call) -> Result<Vec<u64>, Failure> {
        let connection = lock(&self.connection).clone();
        let mut connection = connection.ok_or(Failure::NotConnected)?;
        match time::timeout(BUDGET, connection.check(call)).await {
            Ok(Ok(waits)) => Ok(waits),
            Ok(Err(error)) => Err(Failure::Redis(error)),
            Err(_) => Err(Failure::TimedOut),
        }
    }

    fn describe(&self, failure: &Failure) -> String {
        match failure {
            Failure::NotConnected => "not connected to Redis".to_owned(),
            Failure::TimedOut => format!("no response of Redis within {} ms", BUDGET.as_millis()),
            Failure::Redis(error) => self.server.describe(error),
        }
    }
}

// === impl RedisLimits ===

impl RemoteLimits for RedisLimits {
    fn check(&self, checks: &[RemoteCheck]) -> Pin<Box<dyn Future<Output = Vec<Duration>> + Send>> {
        let call = Call::new(&self.0.prefix, checks);
        let limits = Arc::clone(&self.0);
        Box::pin(async move { limits.decide(call).await })
    }
}

// === impl ExactConnection ===

impl ExactConnection {
    pub(super) async fn new(mut commands: MultiplexedConnection) -> RedisResult<Self> {
        let mut load = cmd("SCRIPT");
        load.arg("LOAD").arg(CHECK);
        let script = load.query_async(&mut commands).await?;
        Ok(Self { commands, script })
    }

    async fn check(&mut self, call: &Call) -> RedisResult<Vec<u64>> {
        let by_hash = call.to_cmd("EVALSHA", &self.script);
        let waits: RedisResult<Vec<u64>> = by_hash.query_async(&mut self.commands).await;
        match waits {
            // The scripts of the server were removed.
            Err(error) if is_unknown_script(&error) => {
                let by_text = call.to_cmd("EVAL", CHECK);
                by_text.query_async(&mut self.commands).await
            }
            waits => waits,
        }
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.code() == Some("NOSCRIPT")
}

// === impl Call ===

impl Call {
    fn new(prefix: &str, checks: &[RemoteCheck]) -> Self {
        let mut args = Vec::with_capacity(checks.len() * 4);
        for check in checks {
            let nanos = check.interval.as_nanos();
            args.push(format!("{}.{:03}", nanos / 1_000, nanos % 1_000));
            args.push(check.burst.to_string());
            args.push(check.count.units.to_string());
            args.push(u8::from(check.denial.mode == Mode::Enforce).to_string());
        }
        let key = |check: &RemoteCheck| {
            let count = &check.count;
            format!("{prefix}:limit:{:016x}:{:016x}", count.quota, count.key)
        };
        let keys = checks.iter().map(key).collect();
        Self { keys, args }
    }

    fn to_cmd(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len());
        command.arg(&self.keys).arg(&self.args);
        command
    }
}

/// Adds a random part of up to a quarter of a wait, limited to between 1 second and 1 minute, so that clients do
/// not all retry at the same moment. The wait is in microseconds.
fn add_jitter(wait: u64) -> Duration {
    let wait = Duration::from_micros(wait);
    if wait.is_zero() {
        return wait;
    }
    let most = (wait / 4).clamp(Duration::from_secs(1), Duration::from_mins(1));
    let random = u8::try_from(RandomState::new().hash_one(0) % 256).unwrap_or_default();
    wait.saturating_add(most.mul_f64(f64::from(random) / f64::from(u8::MAX)))
}
