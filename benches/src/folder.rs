//! Files that others read.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

/// A folder of its own for each process, gone with its user.
#[derive(Debug)]
pub struct Folder(PathBuf);

// === impl Folder ===

impl Folder {
    /// An empty folder, among temporary files, with `name` in its name.
    ///
    /// # Panics
    ///
    /// Where the system lets no one make it.
    #[expect(clippy::expect_used, reason = "a bench may stop")]
    pub fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("gabion-{name}-{}", process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file; where it is.
    ///
    /// # Panics
    ///
    /// Where the system does not take it.
    #[expect(clippy::disallowed_methods, reason = "a bench writes what others read")]
    #[expect(clippy::expect_used, reason = "a bench may stop")]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, text).expect("a file");
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
