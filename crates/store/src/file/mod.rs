//! The two files, each a database with a version.

mod bans;
mod events;

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use gabion_core::{BanSnapshot, StorePart};
use ipnet::IpNet;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

pub(crate) use bans::BanFile;
pub(crate) use events::{EventChange, EventFile};

use crate::{
    StoreOptions,
    disk::Disk,
    error::FileError,
    record::{NetworkKey, keys_within, network},
};

/// The version of both files. A file with another one is not changed.
const VERSION: u64 = 1;
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// A table from networks to rows.
type Rows = TableDefinition<'static, NetworkKey, &'static [u8]>;

/// The memory for pages of one file.
const CACHE: usize = 16 << 20;

/// The size in bytes from which a file is compacted.
const MIN_COMPACTED: u64 = 4 << 20;

/// A database with one kind of content.
pub(crate) trait StoreFile: Sized {
    const NAME: &'static str;
    const PART: StorePart;

    /// Creates the tables that are missing.
    fn create(txn: &WriteTransaction) -> Result<(), FileError>;

    fn new(database: Database, options: &StoreOptions) -> Result<Self, FileError>;

    /// Adds the rows in force to `snapshot`.
    fn load(&self, snapshot: &mut BanSnapshot) -> Result<(), FileError>;

    /// Makes the rows those of `snapshot`.
    fn replace(&mut self, snapshot: &BanSnapshot) -> Result<(), FileError>;

    /// Deletes what has expired.
    fn purge(&mut self) -> Result<(), FileError>;

    /// Returns `true` if the file has many more rows than the table of bans: bans that were evicted from a full table.
    fn is_oversized(&self) -> bool;
}

/// Opens a file, checks all its pages, and creates its tables.
///
/// # Errors
///
/// [`FileError::Version`] for a file of another version, which is not changed; [`FileError::Corrupt`] for a
/// damaged one.
pub(crate) fn open<F: StoreFile>(disk: &dyn Disk, options: &StoreOptions) -> Result<F, FileError> {
    contained(|| {
        // A file that was closed is read before anything is written to it.
        if disk.size(F::NAME) > 0
            && let Ok(database) = Builder::new().open_read_only_with_backend(disk.open(F::NAME)?)
        {
            check_version(&database.begin_read()?)?;
        }
        let mut database = Builder::new()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .create_with_backend(disk.open(F::NAME)?)?;
        check_version(&database.begin_read()?)?;
        let txn = database.begin_write()?;
        txn.open_table(META)?.insert("version", VERSION)?;
        F::create(&txn)?;
        txn.commit()?;
        compact(&mut database, disk.size(F::NAME))?;
        F::new(database, options)
    })
}

/// Compacts a file of `size` bytes that is more than half free.
fn compact(database: &mut Database, size: u64) -> Result<(), FileError> {
    if size < MIN_COMPACTED {
        return Ok(());
    }
    let txn = database.begin_write()?;
    let stats = txn.stats()?;
    txn.abort()?;
    if stats.allocated_pages() * (stats.page_size() as u64) < size / 2 {
        database.compact()?;
    }
    Ok(())
}

fn check_version(txn: &redb::ReadTransaction) -> Result<(), FileError> {
    let table = match txn.open_table(META) {
        Ok(table) => table,
        // A new file, or that of another program.
        Err(redb::TableError::TableDoesNotExist(_)) => {
            return match txn.list_tables()?.next() {
                None => Ok(()),
                Some(_) => Err(FileError::Version("no version".to_owned())),
            };
        }
        Err(error) => return Err(error.into()),
    };
    match table.get("version")?.map(|version| version.value()) {
        Some(VERSION) => Ok(()),
        Some(other) => Err(FileError::Version(format!("version {other}"))),
        None => Err(FileError::Version("no version".to_owned())),
    }
}

/// Runs an operation on a file. `redb` may panic on a file that is damaged while it is open.
pub(crate) fn contained<T>(
    operation: impl FnOnce() -> Result<T, FileError>,
) -> Result<T, FileError> {
    catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(FileError::Corrupt(
            words.unwrap_or("panic in redb").to_owned(),
        ))
    })
}

/// Makes the rows of a table those in `wanted`, and writes only those that differ.
fn replace_rows(
    txn: &WriteTransaction,
    rows: Rows,
    mut wanted: HashMap<NetworkKey, Vec<u8>>,
) -> Result<(), FileError> {
    let mut table = txn.open_table(rows)?;
    table.retain(|key, row| match wanted.get(&key) {
        None => false,
        Some(other) if other == row => {
            wanted.remove(&key);
            true
        }
        Some(_) => true,
    })?;
    for (key, row) in wanted {
        table.insert(key, row.as_slice())?;
    }
    Ok(())
}

/// Deletes the rows of `erased` and of the networks within it.
fn erase_rows(txn: &WriteTransaction, rows: Rows, erased: IpNet) -> Result<(), FileError> {
    let (first, last) = keys_within(erased);
    let mut table = txn.open_table(rows)?;
    table.retain_in(first..=last, |key, _| {
        network(key).is_some_and(|network| !erased.contains(&network))
    })?;
    Ok(())
}

/// Deletes the rows for which `is_expired` holds. Writes nothing if there are none.
fn purge_rows(
    database: &Database,
    rows: Rows,
    is_expired: impl Fn(NetworkKey, &[u8]) -> bool,
) -> Result<(), FileError> {
    let mut expired = Vec::new();
    for row in database.begin_read()?.open_table(rows)?.iter()? {
        let (key, row) = row?;
        if is_expired(key.value(), row.value()) {
            expired.push(key.value());
        }
    }
    if expired.is_empty() {
        return Ok(());
    }
    let txn = database.begin_write()?;
    {
        let mut table = txn.open_table(rows)?;
        for key in expired {
            table.remove(key)?;
        }
    }
    Ok(txn.commit()?)
}
