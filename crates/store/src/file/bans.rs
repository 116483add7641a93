//! `bans.redb`: bans and temporary exemptions.

use gabion_core::{BanSnapshot, BanUpdate, StorePart};
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};

use super::{Rows, StoreFile, contained, erase_rows, purge_rows, replace_rows};
use crate::{
    StoreOptions, clock,
    error::FileError,
    record::{RuleNames, allow_row, ban_row, key, read_allow, read_ban},
};

const BANS: Rows = TableDefinition::new("bans");
const ALLOWS: Rows = TableDefinition::new("allows");

/// The file of bans and exemptions. Every transaction is durable when it returns.
#[derive(Debug)]
pub(crate) struct BanFile {
    database: Database,
    rows: u64,
    /// The number of rows after which those that the table of bans evicted are deleted.
    oversized: u64,
}

// === impl BanFile ===

impl BanFile {
    /// Writes `updates` in one transaction.
    pub(crate) fn write(&mut self, updates: &[BanUpdate]) -> Result<(), FileError> {
        contained(|| {
            let txn = self.database.begin_write()?;
            for update in updates {
                apply(&txn, update)?;
            }
            self.commit(txn)
        })
    }

    fn commit(&mut self, txn: WriteTransaction) -> Result<(), FileError> {
        self.rows = txn.open_table(BANS)?.len()? + txn.open_table(ALLOWS)?.len()?;
        Ok(txn.commit()?)
    }

    /// Rows beyond twice those that are known to be in force, and some more, belong to evicted bans.
    const fn set_oversized(&mut self) {
        self.oversized = 2 * self.rows + 10_000;
    }
}

impl StoreFile for BanFile {
    const NAME: &'static str = "bans.redb";
    const PART: StorePart = StorePart::Bans;

    fn create(txn: &WriteTransaction) -> Result<(), FileError> {
        txn.open_table(BANS)?;
        txn.open_table(ALLOWS)?;
        Ok(())
    }

    fn new(database: Database, _options: &StoreOptions) -> Result<Self, FileError> {
        let txn = database.begin_read()?;
        let rows = txn.open_table(BANS)?.len()? + txn.open_table(ALLOWS)?.len()?;
        drop(txn);
        let mut file = Self {
            database,
            rows,
            oversized: 0,
        };
        file.set_oversized();
        Ok(file)
    }

    fn load(&self, snapshot: &mut BanSnapshot) -> Result<(), FileError> {
        contained(|| {
            let (now, mut rules) = (clock::wall(), RuleNames::default());
            let txn = self.database.begin_read()?;
            for row in txn.open_table(BANS)?.iter()? {
                let (key, row) = row?;
                let ban = read_ban(key.value(), row.value(), &mut rules);
                snapshot.bans.extend(ban.filter(|ban| ban.until > now));
            }
            for row in txn.open_table(ALLOWS)?.iter()? {
                let (key, row) = row?;
                let allow = read_allow(key.value(), row.value());
                (snapshot.allows).extend(allow.filter(|allow| allow.until > now));
            }
            Ok(())
        })
    }

    fn replace(&mut self, snapshot: &BanSnapshot) -> Result<(), FileError> {
        contained(|| {
            let txn = self.database.begin_write()?;
            let bans = snapshot.bans.iter();
            let bans = bans.map(|ban| (key(ban.network), ban_row(ban)));
            replace_rows(&txn, BANS, bans.collect())?;
            let allows = snapshot.allows.iter();
            let allows = allows.map(|allow| (key(allow.network), allow_row(allow)));
            replace_rows(&txn, ALLOWS, allows.collect())?;
            self.commit(txn)?;
            self.set_oversized();
            Ok(())
        })
    }

    fn purge(&mut self) -> Result<(), FileError> {
        contained(|| {
            let now = clock::wall();
            purge_rows(&self.database, BANS, |key, row| {
                read_ban(key, row, &mut RuleNames::default()).is_some_and(|ban| ban.until <= now)
            })?;
            purge_rows(&self.database, ALLOWS, |key, row| {
                read_allow(key, row).is_some_and(|allow| allow.until <= now)
            })
        })
    }

    fn is_oversized(&self) -> bool {
        self.rows > self.oversized
    }
}

fn apply(txn: &WriteTransaction, update: &BanUpdate) -> Result<(), FileError> {
    match update {
        BanUpdate::Banned(ban) => {
            let row = ban_row(ban);
            (txn.open_table(BANS)?).insert(key(ban.network), row.as_slice())?;
        }
        BanUpdate::Lifted(network) => {
            txn.open_table(BANS)?.remove(key(*network))?;
        }
        BanUpdate::Allowed(allow) => {
            let row = allow_row(allow);
            (txn.open_table(ALLOWS)?).insert(key(allow.network), row.as_slice())?;
        }
        BanUpdate::Disallowed(network) => {
            txn.open_table(ALLOWS)?.remove(key(*network))?;
        }
        BanUpdate::Forgotten(network) => {
            erase_rows(txn, BANS, *network)?;
            erase_rows(txn, ALLOWS, *network)?;
        }
    }
    Ok(())
}
