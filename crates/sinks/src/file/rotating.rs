//! A log file with rotation.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Rotation, archive::Archive};

/// A file that is renamed when it reaches a size or its period ends.
#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    rotation: Rotation,
    archive: Archive,
    open: Option<OpenFile>,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    size: u64,
    /// The number of the period since the Unix epoch.
    period: u64,
}

// === impl RotatingFile ===

impl RotatingFile {
    /// Opens the file, which may have lines of an earlier process.
    ///
    /// # Errors
    ///
    /// Returns the system's error if the file cannot be opened.
    pub(super) fn open(path: PathBuf, rotation: Rotation, now: SystemTime) -> io::Result<Self> {
        let archive = Archive::new(path.clone(), rotation.clone());
        let mut this = Self {
            path,
            rotation,
            archive,
            open: None,
        };
        this.open = Some(this.open_file(now)?);
        // Those that an earlier process left.
        this.archive.maintain();
        Ok(this)
    }

    /// Appends whole lines. Returns the number of bytes that were written, also with an error: the next call opens the
    /// file again.
    pub(super) fn write(&mut self, lines: &[u8], now: SystemTime) -> (usize, io::Result<()>) {
        let mut written = 0;
        while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
            match self.write_some(rest, now) {
                Ok(count) => written += count,
                Err(error) => {
                    self.open = None;
                    return (written, Err(error));
                }
            }
        }
        (written, Ok(()))
    }

    /// Returns `true` while old files are compressed.
    #[cfg(test)]
    pub(super) fn is_archiving(&self) -> bool {
        self.archive.is_busy()
    }

    /// Rotates a file whose period has ended.
    pub(super) fn rotate_if_due(&mut self, now: SystemTime) -> io::Result<()> {
        let period = self.period(now);
        if (self.open.as_ref()).is_some_and(|open| open.period != period && open.size > 0) {
            self.rotate(now)?;
        }
        Ok(())
    }

    /// Writes the lines for which the file has room; returns their length.
    fn write_some(&mut self, lines: &[u8], now: SystemTime) -> io::Result<usize> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| !self.is_current(open))
        {
            // Renamed or deleted by another program, such as logrotate.
            self.open = None;
        }
        self.rotate_if_due(now)?;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open_file(now)?,
        };
        let room = self.rotation.size.get().saturating_sub(open.size);
        let mut count = fitting(lines, room);
        if count == 0 {
            if open.size > 0 {
                self.open = Some(open);
                self.rotate(now)?;
                return Ok(0);
            }
            // A line that is longer than a file.
            count = first_line(lines);
        }
        open.period = self.period(now);
        open.file
            .write_all(lines.get(..count).unwrap_or_default())?;
        open.size += u64::try_from(count).unwrap_or(u64::MAX);
        self.open = Some(open);
        Ok(count)
    }

    fn rotate(&mut self, now: SystemTime) -> io::Result<()> {
        self.open = None;
        self.archive.take(now)?;
        self.archive.maintain();
        Ok(())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the thread of the log writes files; no request waits for it"
    )]
    fn open_file(&self, now: SystemTime) -> io::Result<OpenFile> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            // Requests of clients are in it.
            options.mode(0o640);
        }
        let file = options.open(&self.path)?;
        let metadata = file.metadata()?;
        let at = match metadata.modified() {
            Ok(modified) if metadata.len() > 0 => modified,
            _ => now,
        };
        Ok(OpenFile {
            file,
            size: metadata.len(),
            period: self.period(at),
        })
    }

    /// Returns `true` if the path names the open file.
    fn is_current(&self, open: &OpenFile) -> bool {
        let named = fs::metadata(&self.path);
        match (named, open.file.metadata()) {
            (Ok(named), Ok(open)) => is_same(&named, &open),
            _ => false,
        }
    }

    fn period(&self, at: SystemTime) -> u64 {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let every = self.rotation.every.map_or(0, |every| every.as_secs());
        since.as_secs().checked_div(every).unwrap_or(0)
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

/// The length of the whole lines at the begin of `lines` that fit into `room`.
fn fitting(lines: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if lines.len() <= room {
        return lines.len();
    }
    let head = lines.get(..room).unwrap_or_default();
    let end = head.iter().rposition(|&byte| byte == b'\n');
    end.map_or(0, |end| end + 1)
}

fn first_line(lines: &[u8]) -> usize {
    let end = lines.iter().position(|&byte| byte == b'\n');
    end.map_or(lines.len(), |end| end + 1)
}
