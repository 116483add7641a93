//! The commands for Redis.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use gabion_core::BanUpdate;
use redis::{
    AsyncConnectionConfig, Client, Pipeline, RedisError, RedisResult, aio::MultiplexedConnection,
    cmd, streams::StreamReadReply,
};

use super::{
    SharedOptions,
    change::{Change, Hash},
    wire,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The time for which a read waits for new entries on the server.
pub(super) const BLOCK: Duration = Duration::from_millis(BLOCK_MILLIS);
pub(super) const BLOCK_MILLIS: u64 = 1_000;
/// Entries of one read, and fields of one scan.
pub(super) const COUNT: usize = 1_000;
/// Changes that are published in one round trip.
pub(super) const BATCH: usize = 500;
/// The time after a round trip with changes until the next one, unless more changes wait than it takes.
///
/// Redis wakes each instance for each change that it waits for. With 20 instances and 1,000 changes a second, that is
/// ten times the work of Redis and of the instances (`benches/fleet`). A change after a pause is exchanged at once.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// Changes a hash and appends to the stream, unless the hash has a later change.
///
/// Keys: the hash, the stream. Arguments: the network, the time of the change, its text, the instance, the
/// length of the stream, the microseconds by which an earlier change counts as later.
const PUBLISH: &str = r"
local at = ARGV[2]
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old then
  local last = tonumber(string.sub(old, 1, 16)) or 0
  local clock = redis.call('TIME')
  local now = tonumber(clock[1]) * 1000000
  local behind = last - tonumber(at)
  -- A time of tomorrow is no time of a change.
  if behind >= 0 and last < now + 86400000000 then
    if behind >= tonumber(ARGV[6]) then return '' end
    at = string.format('%016.0f', last + 1)
  end
end
redis.call('HSET', KEYS[1], ARGV[1], at .. ARGV[3])
return redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'i', ARGV[4], 'u', ARGV[3])
";

/// Deletes a field if it still has a value.
const PURGE: &str = r"
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
";

/// The server and this instance.
pub(super) struct Server {
    options: SharedOptions,
    instance: String,
}

/// Two connections: one for reads that wait on the server, one for all other commands.
#[derive(Clone)]
pub(super) struct Connection {
    commands: MultiplexedConnection,
    reads: MultiplexedConnection,
    publish: String,
    purge: String,
    keys: Keys,
    instance: String,
    stream_length: usize,
}

#[derive(Clone)]
struct Keys {
    bans: String,
    allows: String,
    stream: String,
}

/// The handling of a change that is earlier than the one in the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// It was made now, and the other's clock may be ahead: it counts if the difference is small.
    Counts,
    /// It is old, too: it does not count.
    IsDropped,
}

/// An entry of the stream.
pub(super) struct Entry {
    pub(super) id: String,
    /// `true` if this instance published it.
    pub(super) is_own: bool,
    /// The text of the change; `None` for an entry that only marks a position.
    pub(super) text: Option<Vec<u8>>,
}

/// Opens a connection on which Redis has `response` to answer a command.
pub(super) async fn connect(
    options: &SharedOptions,
    response: Duration,
) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(response));
    Client::open(options.server.clone())?
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

// === impl Server ===

impl Server {
    pub(super) fn new(options: SharedOptions) -> Self {
        let instance = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        Self { options, instance }
    }

    pub(super) const fn options(&self) -> &SharedOptions {
        &self.options
    }

    /// The name of this instance in entries.
    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        let mut commands = connect(&self.options, RESPONSE_TIMEOUT).await?;
        let reads = connect(&self.options, RESPONSE_TIMEOUT + BLOCK).await?;
        let mut load = async |script: &str| -> RedisResult<String> {
            cmd("SCRIPT")
                .arg("LOAD")
                .arg(script)
                .query_async(&mut commands)
                .await
        };
        let (publish, purge) = (load(PUBLISH).await?, load(PURGE).await?);
        let key = |name: &str| format!("{}:{name}", self.options.prefix);
        Ok(Connection {
            commands,
            reads,
            publish,
            purge,
            keys: Keys {
                bans: key("bans"),
                allows: key("allows"),
                stream: key("changes"),
            },
            instance: self.instance.clone(),
            stream_length: self.options.stream_length,
        })
    }

    /// An error as text, with the address and without the password.
    pub(super) fn describe(&self, error: &RedisError) -> String {
        let text = format!("Redis at {}: {error}", self.options.address);
        match self.options.server.redis_settings().password() {
            Some(password) if !password.is_empty() => text.replace(password, "…"),
            _ => text,
        }
    }
}

// === impl Connection ===

impl Connection {
    /// Publishes changes. Returns the ids of the new entries of the stream, empty for those that do not count.
    pub(super) async fn publish(
        &mut self,
        changes: &[Change],
        earlier: Earlier,
    ) -> RedisResult<Vec<String>> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let tolerance: u32 = match earlier {
            Earlier::Counts => 10_000_000,
            Earlier::IsDropped => 0,
        };
        let mut pipeline = Pipeline::with_capacity(changes.len());
        for change in changes {
            pipeline
                .cmd("EVALSHA")
                .arg(&self.publish)
                .arg(2)
                .arg(self.keys.hash(change.hash()))
                .arg(&self.keys.stream)
                .arg(change.update.network().to_string())
                .arg(change.digits())
                .arg(wire::write(&change.update))
                .arg(&self.instance)
                .arg(self.stream_length)
                .arg(tolerance);
            if let BanUpdate::Forgotten(network) = &change.update {
                let delete = pipeline.cmd("HDEL").arg(&self.keys.allows);
                delete.arg(network.to_string()).ignore();
            }
        }
        pipeline.query_async(&mut self.commands).await
    }

    /// Appends an entry without a change, and returns its id.
    pub(super) async fn mark(&mut self) -> RedisResult<String> {
        let mut mark = cmd("XADD");
        mark.arg(&self.keys.stream)
            .arg("MAXLEN")
            .arg("~")
            .arg(self.stream_length);
        mark.arg("*").arg("i").arg(&self.instance);
        mark.query_async(&mut self.commands).await
    }

    /// Returns `true` if the stream has the entry `id`.
    pub(super) async fn has(&mut self, id: &str) -> RedisResult<bool> {
        let mut range = cmd("XRANGE");
        range
            .arg(&self.keys.stream)
            .arg(id)
            .arg(id)
            .arg("COUNT")
            .arg(1);
        let found: Vec<redis::Value> = range.query_async(&mut self.commands).await?;
        Ok(!found.is_empty())
    }

    /// Waits for entries after `last`, for a second. `None` if there may have been others, which the stream
    /// does not have anymore.
    pub(super) async fn read(&mut self, last: &str) -> RedisResult<Option<Vec<Entry>>> {
        let mut pipeline = Pipeline::new();
        let read = pipeline.cmd("XREAD");
        read.arg("COUNT").arg(COUNT).arg("BLOCK").arg(BLOCK_MILLIS);
        read.arg("STREAMS").arg(&self.keys.stream).arg(last);
        // After the read: if `last` is still there, no later entry was missing.
        pipeline
            .cmd("XRANGE")
            .arg(&self.keys.stream)
            .arg(last)
            .arg(last);
        let (reply, known): (Option<StreamReadReply>, Vec<redis::Value>) =
            pipeline.query_async(&mut self.reads).await?;
        if known.is_empty() {
            return Ok(None);
        }
        let streams = reply.into_iter().flat_map(|reply| reply.keys);
        let entries = streams.flat_map(|stream| stream.ids).map(|entry| Entry {
            is_own: entry.get::<String>("i").is_some_and(|i| i == self.instance),
            text: entry.get("u"),
            id: entry.id,
        });
        Ok(Some(entries.collect()))
    }

    /// Reads some fields of a hash from `cursor`, and the next cursor, 0 after the last.
    pub(super) async fn scan(
        &mut self,
        hash: Hash,
        cursor: u64,
    ) -> RedisResult<(u64, Vec<(Vec<u8>, Vec<u8>)>)> {
        let mut scan = cmd("HSCAN");
        scan.arg(self.keys.hash(hash))
            .arg(cursor)
            .arg("COUNT")
            .arg(COUNT);
        scan.query_async(&mut self.commands).await
    }

    /// Deletes fields that still have their values.
    pub(super) async fn purge(
        &mut self,
        hash: Hash,
        fields: &[(Vec<u8>, Vec<u8>)],
    ) -> RedisResult<()> {
        if fields.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::with_capacity(fields.len());
        for (field, value) in fields {
            let purge = pipeline.cmd("EVALSHA").arg(&self.purge).arg(1);
            purge
                .arg(self.keys.hash(hash))
                .arg(field)
                .arg(value)
                .ignore();
        }
        pipeline.query_async(&mut self.commands).await
    }
}

// === impl Keys ===

impl Keys {
    fn hash(&self, hash: Hash) -> &str {
        match hash {
            Hash::Bans => &self.bans,
            Hash::Allows => &self.allows,
        }
    }
}

/// A random time from half of `time` to all of it, so that instances do not act at once.
pub(super) fn jittered(time: Duration) -> Duration {
    let random = u8::try_from(RandomState::new().hash_one(0) % 256).unwrap_or_default();
    time / 2 + time.mul_f64(f64::from(random) / f64::from(u8::MAX) / 2.0)
}
