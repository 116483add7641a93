//! The folder of a store: its lock, its files and their modes.

use std::{
    fmt::Debug,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    ops::Bound,
    path::{Path, PathBuf},
};

use redb::{BackendError, StorageBackend, backends::FileBackend};

use crate::error::FileError;

/// A folder with files. Tests implement it with files that fail.
pub(crate) trait Disk: Debug + Send + Sync + 'static {
    /// Locks the folder for this process until the returned value is dropped.
    fn lock(&self) -> Result<FolderLock, FileError>;

    /// Opens a file, and creates it if it is missing.
    fn open(&self, name: &str) -> Result<Backend, FileError>;

    /// Renames a damaged file, and returns its new path.
    fn move_aside(&self, name: &str, second: u64) -> io::Result<PathBuf>;

    /// The size of a file in bytes, 0 if it is missing.
    fn size(&self, name: &str) -> u64;

    /// Returns `true` if the file that was opened is still at its path. Written to a deleted file, bans would be lost.
    fn holds(&self, name: &str) -> bool;
}

/// The lock of a folder, held while it exists.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: Option<File>,
}

/// A storage backend of any type, as `redb` takes none that is boxed.
#[derive(Debug)]
pub(crate) struct Backend(Box<dyn StorageBackend>);

/// A folder in a file system.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

// === impl FolderLock ===

impl FolderLock {
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self { _file: None }
    }
}

// === impl Folder ===

impl Folder {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Disk for Folder {
    fn lock(&self) -> Result<FolderLock, FileError> {
        mode::create_folder(&self.0).map_err(|error| at(&self.0, &error))?;
        let path = self.path("lock");
        let file = open(&path).map_err(|error| at(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(FolderLock { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(FileError::Locked),
            // A file system without locks, such as some network file systems: `redb` locks its files too.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(FolderLock { _file: Some(file) })
            }
            Err(TryLockError::Error(error)) => Err(at(&path, &error).into()),
        }
    }

    fn open(&self, name: &str) -> Result<Backend, FileError> {
        let path = self.path(name);
        let file = open(&path).map_err(|error| at(&path, &error))?;
        Ok(Backend::new(FileBackend::new(file)?))
    }

    fn move_aside(&self, name: &str, second: u64) -> io::Result<PathBuf> {
        let mut to = self.path(&format!("{name}.corrupt-{second}"));
        let mut nth = 1;
        while to.exists() {
            to = self.path(&format!("{name}.corrupt-{second}-{nth}"));
            nth += 1;
        }
        fs::rename(self.path(name), &to)?;
        Ok(to)
    }

    fn size(&self, name: &str) -> u64 {
        fs::metadata(self.path(name)).map_or(0, |file| file.len())
    }

    fn holds(&self, name: &str) -> bool {
        self.path(name).exists()
    }
}

#[expect(clippy::disallowed_methods, reason = "the files of the store")]
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    mode::private(&mut options);
    let file = options.open(path)?;
    mode::make_private(&file)?;
    Ok(file)
}

/// Adds the path to an error of the operating system.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(unix)]
mod mode {
    use std::{
        fs::{DirBuilder, File, OpenOptions, Permissions},
        io,
        os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
        path::Path,
    };

    pub(super) fn create_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    pub(super) fn private(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    /// A file that an earlier program or a copy made readable for others.
    pub(super) fn make_private(file: &File) -> io::Result<()> {
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(())
    }
}

#[cfg(not(unix))]
mod mode {
    use std::{
        fs::{DirBuilder, File, OpenOptions},
        io,
        path::Path,
    };

    pub(super) fn create_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).create(path)
    }

    pub(super) fn private(_options: &mut OpenOptions) {}

    pub(super) fn make_private(_file: &File) -> io::Result<()> {
        Ok(())
    }
}

// === impl Backend ===

impl Backend {
    pub(crate) fn new(backend: impl StorageBackend) -> Self {
        Self(Box::new(backend))
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}
