//! Offenses, and timed bans as they are stored and shared.

mod offense;
mod record;
mod update;

pub use offense::{BanOutcome, Offense, OffenseRecorder, Placement};
pub use record::{AllowRecord, BanRecord, BanSnapshot, OffenseHistory};
pub use update::{BanSource, BanUpdate, UpdateOrigin};
