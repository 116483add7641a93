//! The changes of other instances: reads the stream, and compares the hashes with the table of bans.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use gabion_core::{AllowRecord, BanRecord, BanSnapshot, BanUpdate};
use ipnet::IpNet;
use redis::RedisResult;
use tokio::time;

use super::{
    change::{Change, Hash},
    connection::{BATCH, COUNT, Connection, Earlier, Entry, PAUSE, jittered},
    intake::Intake,
    wire,
};
use crate::clock;

/// The interval between two searches for expired fields. Each instance searches.
const PURGE_INTERVAL: Duration = Duration::from_mins(10);
/// Differences in the end of a ban that are not worth a change.
const SAME_END: Duration = Duration::from_secs(1);

/// Applies changes of other instances.
pub(super) type OnUpdate = Box<dyn Fn(BanUpdate) + Send + Sync>;

/// Reads the stream and the hashes.
pub(super) struct Reader {
    intake: Arc<Intake>,
    on_update: OnUpdate,
    /// The last entry that was read; `None` before the first load.
    last: Option<String>,
    recent: Recent,
    purge_due: Instant,
}

/// The networks that others changed lately.
///
/// All instances apply the stream in its order, and so reach the same state. An instance applies its own
/// change before it is in the stream; if another change of the same network precedes it there, it is applied again.
#[derive(Default)]
struct Recent {
    new: HashSet<IpNet>,
    old: HashSet<IpNet>,
    since: Option<Instant>,
}

/// The table of this instance, by network, to compare the hashes with.
#[derive(Default)]
struct Own {
    bans: HashMap<IpNet, BanRecord>,
    allows: HashMap<IpNet, AllowRecord>,
    offenses: HashSet<IpNet>,
    is_known: bool,
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(intake: Arc<Intake>, on_update: OnUpdate) -> Self {
        Self {
            intake,
            on_update,
            last: None,
            recent: Recent::default(),
            purge_due: clock::monotonic() + jittered(PURGE_INTERVAL),
        }
    }

    /// Reads until an error.
    pub(super) async fn run(&mut self, mut connection: Connection) -> RedisResult<()> {
        loop {
            if let Some(last) = self.last.clone() {
                match connection.read(&last).await? {
                    Some(entries) => {
                        let pauses = (1..COUNT).contains(&entries.len());
                        self.apply(entries);
                        if pauses {
                            time::sleep(PAUSE).await;
                        }
                    }
                    None => self.last = None,
                }
            }
            self.load_missed(&mut connection).await?;
            self.purge(&mut connection).await?;
        }
    }

    /// Loads all bans after a connection if changes may have been missed.
    pub(super) async fn catch_up(&mut self, connection: &mut Connection) -> RedisResult<()> {
        if let Some(last) = &self.last
            && !connection.has(last).await?
        {
            self.last = None;
        }
        self.load_missed(connection).await
    }

    /// Loads all bans if the stream does not continue at the last entry, or changes of this instance were
    /// dropped.
    async fn load_missed(&mut self, connection: &mut Connection) -> RedisResult<()> {
        let overflow = self.intake.take_overflow();
        if self.last.is_some() && overflow.is_none() {
            return Ok(());
        }
        let ended = overflow.unwrap_or_default();
        let result = self.load(connection, &ended).await;
        if result.is_err() {
            self.intake.set_overflowed(ended);
        }
        result
    }

    /// Compares this instance with the hashes, both ways.
    async fn load(&mut self, connection: &mut Connection, ended: &[Change]) -> RedisResult<()> {
        connection.publish(ended, Earlier::Counts).await?;
        // Changes after this entry are read from the stream.
        let mark = connection.mark().await?;
        let source = self.intake.source();
        let own = source.map_or_else(Own::default, |source| Own::new(source.ban_snapshot()));
        let mut shared = HashMap::new();
        for hash in [Hash::Bans, Hash::Allows] {
            let mut cursor = 0;
            loop {
                let (next, fields) = connection.scan(hash, cursor).await?;
                for (field, value) in fields {
                    let Some(change) = self.read_field(hash, &field, &value) else {
                        continue;
                    };
                    shared.insert((hash as u8, change.update.network()), change.at);
                    if own.needs(&change) {
                        self.receive(change.update);
                    }
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        let is_later = |change: &Change| {
            let key = (change.hash() as u8, change.update.network());
            shared.get(&key).is_none_or(|at| *at < change.at)
        };
        let missing: Vec<_> = own.into_changes().filter(is_later).collect();
        for changes in missing.chunks(BATCH) {
            connection.publish(changes, Earlier::IsDropped).await?;
        }
        self.last = Some(mark);
        self.intake.set(|status| {
            status.loads += 1;
            status.last_response = Some(clock::wall());
        });
        Ok(())
    }

    /// Reads a field; `None` if it has expired or is invalid.
    fn read_field(&self, hash: Hash, field: &[u8], value: &[u8]) -> Option<Change> {
        let change = Change::read(hash, field, value);
        if change.is_none() {
            self.intake.set(|status| status.skipped += 1);
        }
        change.filter(|change| !change.is_expired(clock::wall()))
    }

    fn apply(&mut self, entries: Vec<Entry>) {
        self.recent.rotate();
        for entry in entries {
            self.last = Some(entry.id);
            let Some(text) = entry.text else {
                continue;
            };
            let Some(update) = wire::read(&text) else {
                self.intake.set(|status| status.skipped += 1);
                continue;
            };
            if entry.is_own {
                if self.recent.has(update.network()) {
                    (self.on_update)(update);
                }
            } else if !Change::now(update.clone()).is_expired(clock::wall()) {
                self.receive(update);
            }
        }
        self.intake
            .set(|status| status.last_response = Some(clock::wall()));
    }

    fn receive(&mut self, update: BanUpdate) {
        self.recent.add(update.network());
        (self.on_update)(update);
        self.intake.set(|status| status.received += 1);
    }

    /// Deletes expired fields, once in ten minutes.
    async fn purge(&mut self, connection: &mut Connection) -> RedisResult<()> {
        if clock::monotonic() < self.purge_due {
            return Ok(());
        }
        self.purge_due = clock::monotonic() + jittered(PURGE_INTERVAL);
        let now = clock::wall();
        for hash in [Hash::Bans, Hash::Allows] {
            let mut cursor = 0;
            loop {
                let (next, mut fields) = connection.scan(hash, cursor).await?;
                fields.retain(|(field, value)| {
                    Change::read(hash, field, value).is_some_and(|change| change.is_expired(now))
                });
                connection.purge(hash, &fields).await?;
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

// === impl Recent ===

impl Recent {
    const MAX: usize = 32_768;
    const TIME: Duration = Duration::from_mins(1);

    fn add(&mut self, network: IpNet) {
        if self.new.len() >= Self::MAX {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(network);
    }

    fn has(&self, network: IpNet) -> bool {
        self.new.contains(&network) || self.old.contains(&network)
    }

    fn rotate(&mut self) {
        let now = clock::monotonic();
        if self.since.is_none_or(|since| now - since >= Self::TIME) {
            self.since = Some(now);
            self.old = std::mem::take(&mut self.new);
        }
    }
}

// === impl Own ===

impl Own {
    fn new(snapshot: BanSnapshot) -> Self {
        let bans = snapshot.bans.into_iter();
        let allows = snapshot.allows.into_iter();
        let offenses = snapshot.offenses.iter();
        Self {
            bans: bans.map(|ban| (ban.network, ban)).collect(),
            allows: allows.map(|allow| (allow.network, allow)).collect(),
            offenses: offenses.map(|history| history.network).collect(),
            is_known: true,
        }
    }

    /// Returns `true` if this instance lacks a change.
    fn needs(&self, change: &Change) -> bool {
        if !self.is_known {
            return true;
        }
        let began_before = |since| clock::to_micros(since) <= change.at;
        match &change.update {
            BanUpdate::Banned(ban) => {
                (self.bans.get(&ban.network)).is_none_or(|own| own.until + SAME_END < ban.until)
            }
            BanUpdate::Allowed(allow) => (self.allows.get(&allow.network))
                .is_none_or(|own| own.until + SAME_END < allow.until),
            BanUpdate::Lifted(network) => {
                (self.bans.get(network)).is_some_and(|own| began_before(own.since))
            }
            BanUpdate::Disallowed(network) => {
                (self.allows.get(network)).is_some_and(|own| began_before(own.since))
            }
            BanUpdate::Forgotten(network) => match self.bans.get(network) {
                Some(own) => began_before(own.since),
                None => self.offenses.contains(network) || self.allows.contains_key(network),
            },
        }
    }

    /// The bans and exemptions as changes at their beginning.
    fn into_changes(self) -> impl Iterator<Item = Change> {
        let bans = self.bans.into_values().map(|ban| Change {
            at: clock::to_micros(ban.since),
            update: BanUpdate::Banned(ban),
        });
        let allows = self.allows.into_values().map(|allow| Change {
            at: clock::to_micros(allow.since),
            update: BanUpdate::Allowed(allow),
        });
        bans.chain(allows)
    }
}
