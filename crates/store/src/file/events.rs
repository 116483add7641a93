//! `events.redb`: offenses of clients, and events for reports.

use std::time::{Duration, SystemTime};

use gabion_core::{BanSnapshot, OffenseHistory, StorePart};
use ipnet::IpNet;
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};

use super::{Rows, StoreFile, contained, erase_rows, purge_rows, replace_rows};
use crate::{
    StoreOptions, StoredEvent, clock,
    error::FileError,
    record::{
        NetworkKey, event_row, key, keys_within, network, network_of_event, offense_row,
        read_event, read_offense,
    },
};

/// Microseconds since the epoch, and a number that distinguishes events of one microsecond.
type EventKey = (u64, u32);

const OFFENSES: Rows = TableDefinition::new("offenses");
const EVENTS: TableDefinition<'_, EventKey, &[u8]> = TableDefinition::new("events");
/// The events of each network, for [`EventChange::Forgotten`].
const BY_NETWORK: TableDefinition<'_, (NetworkKey, u64, u32), ()> =
    TableDefinition::new("events_by_network");

/// Events that one transaction deletes.
const DELETED_AT_ONCE: usize = 10_000;

/// A change of the file.
#[derive(Debug)]
pub(crate) enum EventChange {
    Event(StoredEvent),
    Offense(OffenseHistory),
    Forgotten(IpNet),
}

/// The file of offenses and events.
#[derive(Debug)]
pub(crate) struct EventFile {
    database: Database,
    options: StoreOptions,
    next: u32,
    offenses: u64,
    oversized: u64,
}

// === impl EventFile ===

impl EventFile {
    /// Writes `changes` in one transaction, and deletes the oldest events above the maximum.
    pub(crate) fn write(&mut self, changes: &[EventChange]) -> Result<(), FileError> {
        contained(|| {
            let txn = self.database.begin_write()?;
            for change in changes {
                match change {
                    EventChange::Event(event) => insert_event(&txn, event, self.next)?,
                    EventChange::Offense(history) => {
                        let row = offense_row(history);
                        (txn.open_table(OFFENSES)?).insert(key(history.network), row.as_slice())?;
                    }
                    EventChange::Forgotten(network) => {
                        erase_rows(&txn, OFFENSES, *network)?;
                        erase_events(&txn, *network)?;
                    }
                }
                self.next = self.next.wrapping_add(1);
            }
            let excess = txn
                .open_table(EVENTS)?
                .len()?
                .saturating_sub(self.options.max_events);
            let excess = usize::try_from(excess).unwrap_or(usize::MAX);
            delete_first(&txn, excess, u64::MAX)?;
            self.offenses = txn.open_table(OFFENSES)?.len()?;
            Ok(txn.commit()?)
        })
    }

    /// The latest events since `since`, latest first, at most `limit`.
    pub(crate) fn read(
        &self,
        since: SystemTime,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, FileError> {
        contained(|| {
            let table = self.database.begin_read()?.open_table(EVENTS)?;
            let mut events = Vec::new();
            for row in table.range((clock::to_micros(since), 0)..)?.rev() {
                if events.len() == limit {
                    break;
                }
                let (key, row) = row?;
                events.extend(read_event(key.value().0, row.value()));
            }
            Ok(events)
        })
    }

    const fn set_oversized(&mut self) {
        self.oversized = 2 * self.offenses + 10_000;
    }
}

impl StoreFile for EventFile {
    const NAME: &'static str = "events.redb";
    const PART: StorePart = StorePart::Events;

    fn create(txn: &WriteTransaction) -> Result<(), FileError> {
        txn.open_table(OFFENSES)?;
        txn.open_table(EVENTS)?;
        txn.open_table(BY_NETWORK)?;
        Ok(())
    }

    fn new(database: Database, options: &StoreOptions) -> Result<Self, FileError> {
        let offenses = database.begin_read()?.open_table(OFFENSES)?.len()?;
        let mut file = Self {
            database,
            options: options.clone(),
            // Another number than that of an event of the same microsecond, written before a restart.
            next: clock::wall()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| since.subsec_nanos()),
            offenses,
            oversized: 0,
        };
        file.set_oversized();
        Ok(file)
    }

    fn load(&self, snapshot: &mut BanSnapshot) -> Result<(), FileError> {
        contained(|| {
            let oldest = before(self.options.offense_retention);
            let txn = self.database.begin_read()?;
            for row in txn.open_table(OFFENSES)?.iter()? {
                let (key, row) = row?;
                let history = read_offense(key.value(), row.value());
                (snapshot.offenses).extend(history.filter(|history| history.last > oldest));
            }
            Ok(())
        })
    }

    fn replace(&mut self, snapshot: &BanSnapshot) -> Result<(), FileError> {
        contained(|| {
            let txn = self.database.begin_write()?;
            let offenses = snapshot.offenses.iter();
            let offenses = offenses.map(|history| (key(history.network), offense_row(history)));
            replace_rows(&txn, OFFENSES, offenses.collect())?;
            self.offenses = txn.open_table(OFFENSES)?.len()?;
            txn.commit()?;
            self.set_oversized();
            Ok(())
        })
    }

    fn purge(&mut self) -> Result<(), FileError> {
        contained(|| {
            let oldest = before(self.options.offense_retention);
            purge_rows(&self.database, OFFENSES, |key, row| {
                read_offense(key, row).is_some_and(|history| history.last <= oldest)
            })?;
            let oldest = clock::to_micros(before(self.options.event_retention));
            loop {
                let txn = self.database.begin_write()?;
                let deleted = delete_first(&txn, DELETED_AT_ONCE, oldest)?;
                if deleted == 0 {
                    return Ok(txn.abort()?);
                }
                txn.commit()?;
                if deleted < DELETED_AT_ONCE {
                    return Ok(());
                }
            }
        })
    }

    fn is_oversized(&self) -> bool {
        self.offenses > self.oversized
    }
}

fn before(age: Duration) -> SystemTime {
    clock::wall()
        .checked_sub(age)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn insert_event(txn: &WriteTransaction, event: &StoredEvent, number: u32) -> Result<(), FileError> {
    let (at, row) = (clock::to_micros(event.at), event_row(event));
    (txn.open_table(EVENTS)?).insert((at, number), row.as_slice())?;
    if let Some(network) = event.network {
        (txn.open_table(BY_NETWORK)?).insert((key(network), at, number), ())?;
    }
    Ok(())
}

/// Deletes the events of `erased` and of the networks within it.
fn erase_events(txn: &WriteTransaction, erased: IpNet) -> Result<(), FileError> {
    let (first, last) = keys_within(erased);
    let (first, last) = ((first, 0, 0), (last, u64::MAX, u32::MAX));
    let (mut index, mut events) = (txn.open_table(BY_NETWORK)?, txn.open_table(EVENTS)?);
    let is_erased = |key| network(key).is_none_or(|network| erased.contains(&network));
    let found = index.extract_from_if(first..=last, |(key, ..), ()| is_erased(key))?;
    for found in found {
        let (_, at, number) = found?.0.value();
        events.remove((at, number))?;
    }
    Ok(())
}

/// Deletes the oldest events that are older than `before`, at most `limit`, and returns their number.
fn delete_first(txn: &WriteTransaction, limit: usize, before: u64) -> Result<usize, FileError> {
    let (mut index, mut events) = (txn.open_table(BY_NETWORK)?, txn.open_table(EVENTS)?);
    let mut deleted = 0;
    let mut last = None;
    for row in events.range(..(before, 0))?.take(limit) {
        let (event, row) = row?;
        let (at, number) = event.value();
        if let Some(network) = network_of_event(row.value()) {
            index.remove((key(network), at, number))?;
        }
        deleted += 1;
        last = Some((at, number));
    }
    if let Some(last) = last {
        events.retain_in(..=last, |_, _| false)?;
    }
    Ok(deleted)
}
