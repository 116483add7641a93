//! Temporary folders for files that other programs read.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

/// A temporary folder, named after this process and deleted on drop.
#[derive(Debug)]
pub struct TempDir(PathBuf);

// === impl TempDir ===

impl TempDir {
    /// Creates an empty folder in the system's temporary folder, with `name` in its name.
    ///
    /// # Panics
    ///
    /// If the folder cannot be created.
    #[expect(clippy::expect_used, reason = "a bench may stop")]
    pub fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("gabion-{name}-{}", process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into the folder and returns its path.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    #[expect(
        clippy::disallowed_methods,
        reason = "a bench writes files that other programs read"
    )]
    #[expect(clippy::expect_used, reason = "a bench may stop")]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, text).expect("a file");
        file
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
