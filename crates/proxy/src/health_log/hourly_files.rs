//! The files of the log.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// An hour since the Unix epoch, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hour(u64);

/// Files of one hour each in one folder. The file of the last written hour is open.
#[derive(Debug)]
pub(super) struct HourlyFiles {
    folder: PathBuf,
    open: Option<(Hour, File)>,
}

/// The begin of each file's name.
const PREFIX: &str = "application.log.";

/// The number of past hours whose files are kept.
const KEPT_HOURS: u64 = 2;

const HOUR_SECS: u64 = 60 * 60;

// === impl Hour ===

impl Hour {
    pub(super) fn of(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since_epoch.as_secs() / HOUR_SECS)
    }

    /// Returns the name of the hour's file. Later hours have greater names.
    fn file_name(self) -> String {
        let begin = UNIX_EPOCH + Duration::from_secs(self.0.saturating_mul(HOUR_SECS));
        // `2015-07-23T00:00:00Z`
        let date = humantime::format_rfc3339_seconds(begin).to_string();
        let (day, time) = date.split_once('T').unwrap_or((&date, ""));
        let hour = time.get(..2).unwrap_or_default();
        format!("{PREFIX}{day}-{hour}")
    }
}

// === impl HourlyFiles ===

impl HourlyFiles {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder, open: None }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends whole lines to the file of `hour`. If another file was open, deletes old files.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be created or written. The next call opens it again.
    pub(super) fn write(&mut self, hour: Hour, lines: &[u8]) -> io::Result<()> {
        let mut file = match self.open.take() {
            Some((open, file)) if open == hour => file,
            _ => {
                let file = self.create(hour)?;
                self.delete_older_than(Hour(hour.0.saturating_sub(KEPT_HOURS)));
                file
            }
        };
        file.write_all(lines)?;
        self.open = Some((hour, file));
        Ok(())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the thread of the log writes files; no request waits for it"
    )]
    fn create(&self, hour: Hour) -> io::Result<File> {
        let path = self.folder.join(hour.file_name());
        OpenOptions::new().append(true).create(true).open(path)
    }

    /// Deletes the files of hours before `hour`. One that cannot be deleted is left to the next hour.
    fn delete_older_than(&self, hour: Hour) {
        let oldest = hour.file_name();
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name
                .to_str()
                .is_some_and(|name| is_log(name) && name < &*oldest)
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Returns `true` for the name of a file of this log, such as `application.log.2015-07-23-00`.
fn is_log(name: &str) -> bool {
    let Some(hour) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let is_like = |(byte, like): (u8, u8)| match like {
        b'0' => byte.is_ascii_digit(),
        dash => byte == dash,
    };
    let pattern = b"0000-00-00-00";
    hour.len() == pattern.len() && hour.bytes().zip(pattern.iter().copied()).all(is_like)
}
