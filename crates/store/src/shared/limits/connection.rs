//! The commands for Redis.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use redis::{Pipeline, RedisResult, aio::MultiplexedConnection, cmd, streams::StreamReadReply};

use super::wire::{self, Message};
use crate::shared::{
    SharedOptions,
    connection::{BLOCK, BLOCK_MILLIS, RESPONSE_TIMEOUT, connect},
};

/// The number of messages in the stream: some seconds of several instances, at most about 10 MB.
const LENGTH: usize = 256;

/// Three connections: one for reads that wait on the server, one for messages, one for checks that requests wait
/// for.
#[derive(Clone)]
pub(super) struct Connection {
    commands: MultiplexedConnection,
    reads: MultiplexedConnection,
    exact: MultiplexedConnection,
    stream: String,
    secret: String,
    instance: String,
}

/// Messages of other instances, with the time that they were in the stream when later ones were added.
pub(super) struct Read {
    /// The id of the last entry, if there was one.
    pub(super) last: Option<String>,
    pub(super) messages: Vec<Message>,
    /// The number of entries that are no messages.
    pub(super) skipped: u64,
}

// === impl Connection ===

impl Connection {
    pub(super) async fn open(options: &SharedOptions, instance: &str) -> RedisResult<Self> {
        Ok(Self {
            commands: connect(options, RESPONSE_TIMEOUT).await?,
            reads: connect(options, RESPONSE_TIMEOUT + BLOCK).await?,
            exact: connect(options, RESPONSE_TIMEOUT).await?,
            stream: format!("{}:limits", options.prefix),
            secret: format!("{}:limit-secret", options.prefix),
            instance: instance.to_owned(),
        })
    }

    pub(super) fn exact(&self) -> MultiplexedConnection {
        self.exact.clone()
    }

    /// Returns the secret of all instances. If there is none, it is `own`, or a new one.
    pub(super) async fn secret(&mut self, own: Option<[u64; 2]>) -> RedisResult<[u64; 2]> {
        let [first, second] = own.unwrap_or_else(|| [random(), random()]);
        let mut pipeline = Pipeline::new();
        let set = pipeline.cmd("SET").arg(&self.secret);
        set.arg(format!("{first} {second}")).arg("NX");
        set.ignore().cmd("GET").arg(&self.secret);
        let (text,): (String,) = pipeline.query_async(&mut self.commands).await?;
        let halves = text.split_once(' ');
        let parse = |half: &str| half.parse().ok();
        let secret = halves.and_then(|(first, second)| Some([parse(first)?, parse(second)?]));
        secret.ok_or_else(|| {
            let why = "the secret of limits is invalid: delete the key";
            (redis::ErrorKind::UnexpectedReturnType, why).into()
        })
    }

    /// Appends a message.
    pub(super) async fn publish(&mut self, message: &[u8]) -> RedisResult<()> {
        self.append("c", message).await.map(|_| ())
    }

    /// Appends an entry without a message, and returns its id.
    pub(super) async fn mark(&mut self) -> RedisResult<String> {
        self.append("m", b"").await
    }

    async fn append(&mut self, field: &str, value: &[u8]) -> RedisResult<String> {
        let mut append = cmd("XADD");
        append.arg(&self.stream).arg("MAXLEN").arg("~").arg(LENGTH);
        append.arg("*").arg("i").arg(&self.instance);
        append.arg(field).arg(value);
        append.query_async(&mut self.commands).await
    }

    /// Waits for entries after `last`, for a second.
    pub(super) async fn read(&mut self, last: &str) -> RedisResult<Read> {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(LENGTH).arg("BLOCK").arg(BLOCK_MILLIS);
        read.arg("STREAMS").arg(&self.stream).arg(last);
        let reply: Option<StreamReadReply> = read.query_async(&mut self.reads).await?;
        let streams = reply.into_iter().flat_map(|reply| reply.keys);
        let entries: Vec<_> = streams.flat_map(|stream| stream.ids).collect();
        let last = entries.last().map(|entry| entry.id.clone());
        let newest = last.as_deref().and_then(millis);
        let mut found = Read {
            last,
            messages: Vec::new(),
            skipped: 0,
        };
        for entry in entries {
            let is_own = entry.get::<String>("i").is_some_and(|i| i == self.instance);
            let Some(bytes) = entry.get::<Vec<u8>>("c").filter(|_| !is_own) else {
                continue;
            };
            let Some(mut message) = wire::read(&bytes) else {
                found.skipped += 1;
                continue;
            };
            // After a pause of this process, old entries arrive together with new ones.
            let late = newest.zip(millis(&entry.id));
            message.age += late.map_or(Duration::ZERO, |(newest, at)| {
                Duration::from_millis(newest.saturating_sub(at))
            });
            found.messages.push(message);
        }
        Ok(found)
    }
}

/// The time of an entry, from its id.
fn millis(id: &str) -> Option<u64> {
    id.split_once('-')?.0.parse().ok()
}

/// A number that is not predictable: a keyed hash with a key of the system's random numbers.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
