//! The folder with accounts, certificates and challenges, which instances share.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::AcmeError;

/// The state for one ACME server. Each file is replaced as a whole, so that no reader sees half of it, and only its
/// owner can read it.
#[derive(Clone, Debug)]
pub(super) struct StateFolder(PathBuf);

/// The right to order certificates, until it is dropped: an advisory lock that the system releases when its process
/// ends.
#[derive(Debug)]
pub(super) struct OrderLock(#[expect(dead_code, reason = "held until it is dropped")] File);

/// The answer to a challenge for one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChallengeAnswer {
    pub(super) token: String,
    /// The token and the hash of the account's key (RFC 8555, 8.1). It is no secret.
    pub(super) key_authorization: String,
    /// Its SHA-256 in base64url.
    pub(super) digest: String,
}

/// The failed attempts for one name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Failures {
    pub(super) count: u32,
    /// The time of the next attempt, in seconds since the Unix epoch.
    not_before: u64,
}

// === impl StateFolder ===

impl StateFolder {
    /// Creates the folder for the server with this directory.
    pub(super) fn create(state: &Path, directory: &str) -> Result<Self, AcmeError> {
        let without_scheme = directory
            .split_once("://")
            .map_or(directory, |(_, rest)| rest);
        let is_kept = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-');
        let label = without_scheme.replace(|char| !is_kept(char), "_");
        let folder = state.join("acme").join(label.trim_start_matches('.'));
        let mut builder = fs::DirBuilder::new();
        let created = builder.recursive(true).mode(0o700).create(&folder);
        created.map_err(|error| AcmeError::State {
            file: folder.clone(),
            error,
        })?;
        Ok(Self(folder))
    }

    /// Takes the lock; `None` if another instance has it.
    pub(super) fn try_lock(&self) -> Result<Option<OrderLock>, AcmeError> {
        let path = self.0.join("lock");
        let failed = |error| AcmeError::State {
            file: path.clone(),
            error,
        };
        let file = create_private(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(OrderLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Reads the key and the chain of `name`, in PEM form.
    pub(super) fn certificate(&self, name: &str) -> Result<Option<Vec<u8>>, AcmeError> {
        self.read(&format!("{name}.pem"))
    }

    /// The file with the key and the chain of `name`.
    pub(super) fn certificate_file(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.pem"))
    }

    pub(super) fn store_certificate(&self, name: &str, pem: &str) -> Result<(), AcmeError> {
        self.replace(&format!("{name}.pem"), pem.as_bytes())
    }

    /// Reads the account. One that cannot be parsed is an error: a new account would hide it.
    pub(super) fn account<T: DeserializeOwned>(&self) -> Result<Option<T>, AcmeError> {
        self.read_json("account.json")
    }

    pub(super) fn store_account(&self, account: &impl Serialize) -> Result<(), AcmeError> {
        self.store_json("account.json", account)
    }

    pub(super) fn challenge(&self, name: &str) -> Result<Option<ChallengeAnswer>, AcmeError> {
        self.read_json(&format!("{name}.challenge.json"))
    }

    pub(super) fn store_challenge(
        &self,
        name: &str,
        answer: &ChallengeAnswer,
    ) -> Result<(), AcmeError> {
        self.store_json(&format!("{name}.challenge.json"), answer)
    }

    pub(super) fn remove_challenge(&self, name: &str) -> Result<(), AcmeError> {
        self.remove(&format!("{name}.challenge.json"))
    }

    pub(super) fn failures(&self, name: &str) -> Result<Failures, AcmeError> {
        let failures = self.read_json(&format!("{name}.failures.json"))?;
        Ok(failures.unwrap_or_default())
    }

    pub(super) fn store_failures(&self, name: &str, failures: &Failures) -> Result<(), AcmeError> {
        self.store_json(&format!("{name}.failures.json"), failures)
    }

    pub(super) fn remove_failures(&self, name: &str) -> Result<(), AcmeError> {
        self.remove(&format!("{name}.failures.json"))
    }

    #[expect(clippy::disallowed_methods, reason = "on a thread of its own")]
    fn read(&self, file: &str) -> Result<Option<Vec<u8>>, AcmeError> {
        match fs::read(self.0.join(file)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(file, error)),
        }
    }

    fn read_json<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>, AcmeError> {
        let parse = |content: Vec<u8>| serde_json::from_slice(&content);
        let parsed = self.read(file)?.map(parse).transpose();
        parsed.map_err(|error| self.failed(file, error.into()))
    }

    fn store_json(&self, file: &str, value: &impl Serialize) -> Result<(), AcmeError> {
        let json = serde_json::to_vec(value).map_err(|error| self.failed(file, error.into()))?;
        self.replace(file, &json)
    }

    /// Writes a draft, and renames it when it is on the disk.
    fn replace(&self, file: &str, content: &[u8]) -> Result<(), AcmeError> {
        let path = self.0.join(file);
        let draft = self.0.join(format!(".{file}.{}", process::id()));
        let write = || {
            let mut written = create_private(&draft)?;
            written.set_len(0)?;
            written.write_all(content)?;
            written.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().map_err(|error| self.failed(file, error))
    }

    fn remove(&self, file: &str) -> Result<(), AcmeError> {
        match fs::remove_file(self.0.join(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(file, error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, file: &str, error: io::Error) -> AcmeError {
        AcmeError::State {
            file: self.0.join(file),
            error,
        }
    }
}

/// Opens a file that only its owner can read, and creates it if it does not exist.
#[expect(clippy::disallowed_methods, reason = "on a thread of its own")]
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

// === impl Failures ===

impl Failures {
    /// The longest time between two attempts.
    const MAX_DELAY: Duration = Duration::from_hours(6);

    /// Adds a failure. The next attempt is after `delay`, doubled for each earlier failure, or after `until` if that
    /// is later.
    pub(super) fn add(&mut self, now: SystemTime, delay: Duration, until: Option<SystemTime>) {
        let factor = 1_u32.checked_shl(self.count).unwrap_or(u32::MAX);
        let delay = delay.saturating_mul(factor).min(Self::MAX_DELAY);
        let next = now + delay;
        let next = until.map_or(next, |until| until.max(next));
        self.count = self.count.saturating_add(1);
        self.not_before = unix_seconds(next);
    }

    /// Returns the time of the next attempt.
    pub(super) fn next_attempt(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.not_before)
    }
}

/// Rounds up: a time that was asked for is not undercut.
fn unix_seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() + u64::from(since.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use gabion_testkit::TempFolder;

    use super::*;

    const DIRECTORY: &str = "https://acme.example:14000/dir";

    #[test]
    fn one_instance_at_a_time_has_the_lock() {
        let folder = TempFolder::new("acme-lock");
        let first = StateFolder::create(folder.path(), DIRECTORY).unwrap();
        let second = StateFolder::create(folder.path(), DIRECTORY).unwrap();
        let lock = first.try_lock().unwrap();
        assert!(lock.is_some());
        assert!(second.try_lock().unwrap().is_none());
        drop(lock);
        assert!(second.try_lock().unwrap().is_some());
    }

    #[test]
    fn files_are_private_and_replaced() {
        let folder = TempFolder::new("acme-files");
        let state = StateFolder::create(folder.path(), DIRECTORY).unwrap();
        assert_eq!(state.certificate("a.example").unwrap(), None);
        for pem in ["a long one", "short"] {
            state.store_certificate("a.example", pem).unwrap();
            let stored = state.certificate("a.example").unwrap();
            assert_eq!(stored.as_deref(), Some(pem.as_bytes()));
        }
        let file = state.certificate_file("a.example");
        assert!(
            file.ends_with("acme/acme.example_14000_dir/a.example.pem"),
            "{file:?}"
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
        let drafts = fs::read_dir(file.parent().unwrap()).unwrap();
        assert_eq!(drafts.count(), 1, "no draft is left");

        let other = StateFolder::create(folder.path(), "https://../..").unwrap();
        let elsewhere = other.certificate_file("a.example");
        assert!(elsewhere.starts_with(folder.path().join("acme")) && elsewhere != file);
        assert!(
            !elsewhere.display().to_string().contains("/../"),
            "{elsewhere:?}"
        );
    }

    #[test]
    fn broken_account_is_an_error_that_names_the_file() {
        let folder = TempFolder::new("acme-account");
        let state = StateFolder::create(folder.path(), DIRECTORY).unwrap();
        state.replace("account.json", b"{").unwrap();
        let error = state.account::<Failures>().unwrap_err().to_string();
        assert!(error.contains("account.json"), "{error}");
    }

    #[test]
    fn attempts_become_rarer_and_wait_for_the_server() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let minute = Duration::from_mins(1);
        let mut failures = Failures::default();
        let mut delays = Vec::new();
        for _ in 0..12 {
            failures.add(now, minute, None);
            delays.push(failures.next_attempt().duration_since(now).unwrap() / 60);
        }
        let minutes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360];
        assert_eq!(delays, minutes.map(Duration::from_secs));
        failures.add(now, minute, Some(now + Duration::from_hours(50)));
        assert_eq!(failures.next_attempt(), now + Duration::from_hours(50));
        failures.count = u32::MAX;
        failures.add(now, minute, None);
        assert_eq!(failures.next_attempt(), now + Failures::MAX_DELAY);
    }
}
