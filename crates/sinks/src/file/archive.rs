//! Old log files: compressed, and deleted when there are too many.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufReader, BufWriter},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use flate2::{Compression, write::GzEncoder};

use super::Rotation;

/// The old files of one log. Clones are about the same files.
#[derive(Clone, Debug)]
pub(super) struct Archive {
    log: PathBuf,
    rotation: Rotation,
    /// The rotations that a thread has not looked at, or is looking at.
    requests: Arc<AtomicUsize>,
}

/// The extension of compressed files.
const COMPRESSED: &str = ".gz";

/// The extension of a file that is being compressed.
const PARTIAL: &str = ".gz.partial";

// === impl Archive ===

impl Archive {
    pub(super) fn new(log: PathBuf, rotation: Rotation) -> Self {
        Self {
            log,
            rotation,
            requests: Arc::default(),
        }
    }

    /// `true` while a thread compresses files.
    #[cfg(test)]
    pub(super) fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0
    }

    /// Renames the log to the name of an old file.
    pub(super) fn take(&self, now: SystemTime) -> io::Result<()> {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let second = UNIX_EPOCH + Duration::from_secs(since.as_secs());
        // `2026-12-01T02:43:27Z`
        let date = humantime::format_rfc3339_seconds(second).to_string();
        let date = date.replace(['-', ':'], "");
        // Several in one second.
        let mut names = (0..1000).map(|nth| match nth {
            0 => self.sibling(&format!(".{date}")),
            nth => self.sibling(&format!(".{date}-{nth:03}")),
        });
        let is_free = |path: &PathBuf| {
            let compressed = with_suffix(path, COMPRESSED);
            !path.exists() && !compressed.exists()
        };
        let name = names.find(is_free);
        let name = name.ok_or_else(|| io::Error::other("1000 rotations in one second"))?;
        fs::rename(&self.log, name)
    }

    /// Compresses and deletes old files on a thread. One that is at it looks again at its end.
    pub(super) fn maintain(&self) {
        if self.requests.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let this = self.clone();
        let thread = thread::Builder::new().name("gabion-log-gzip".into());
        if thread.spawn(move || this.maintain_all()).is_err() {
            // The next rotation tries again.
            self.requests.store(0, Ordering::Release);
        }
    }

    fn maintain_all(&self) {
        loop {
            let seen = self.requests.load(Ordering::Acquire);
            self.maintain_now();
            let ended =
                (self.requests).compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire);
            if ended.is_ok() {
                return;
            }
        }
    }

    /// Compresses and deletes old files. What fails is left to the next rotation.
    fn maintain_now(&self) {
        let mut old = self.old_files();
        old.sort_by(|one, other| name_of(other).cmp(name_of(one)));
        for (nth, file) in old.iter().enumerate() {
            if nth >= self.rotation.keep
                || file
                    .as_os_str()
                    .as_encoded_bytes()
                    .ends_with(PARTIAL.as_bytes())
            {
                let _ = fs::remove_file(file);
            } else if self.rotation.compress && file.extension() != Some(OsStr::new("gz")) {
                let _ = compress(file);
            }
        }
    }

    /// The files that begin with the name of the log and a date.
    fn old_files(&self) -> Vec<PathBuf> {
        let (folder, name) = (folder_of(&self.log), name_of(&self.log));
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let is_old = |path: &PathBuf| {
            let rest = name_of(path)
                .as_encoded_bytes()
                .strip_prefix(name.as_encoded_bytes());
            rest.and_then(|rest| rest.strip_prefix(b"."))
                .is_some_and(is_date)
        };
        paths.filter(is_old).collect()
    }

    fn sibling(&self, suffix: &str) -> PathBuf {
        with_suffix(&self.log, suffix)
    }
}

/// Returns `true` for text that begins like `20261201T024327Z`.
fn is_date(text: &[u8]) -> bool {
    let pattern = b"00000000T000000Z";
    let is_like = |(byte, like): (&u8, &u8)| match like {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    text.len() >= pattern.len() && text.iter().zip(pattern).all(is_like)
}

/// Writes a compressed copy of `file`, and deletes it. A file of another name is complete.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread compresses old log files; no request waits for it"
)]
fn compress(file: &Path) -> io::Result<()> {
    let (partial, compressed) = (with_suffix(file, PARTIAL), with_suffix(file, COMPRESSED));
    let mut from = BufReader::new(File::open(file)?);
    let to = BufWriter::new(File::create(&partial)?);
    let mut encoder = GzEncoder::new(to, Compression::default());
    io::copy(&mut from, &mut encoder)?;
    let written = encoder.finish()?.into_inner().map_err(io::Error::from)?;
    written.sync_all()?;
    fs::set_permissions(&partial, fs::metadata(file)?.permissions())?;
    fs::rename(&partial, &compressed)?;
    fs::remove_file(file)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn name_of(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
