//! Temporary folders.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// An empty folder under the system's folder for temporary files. Dropping it deletes it.
#[derive(Debug)]
pub struct TempFolder(PathBuf);

impl TempFolder {
    /// Creates a folder whose name contains `test`, the process id and a counter.
    pub fn new(test: &str) -> Self {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let nth = CREATED.fetch_add(1, Ordering::Relaxed);
        let name = format!("gabion-{test}-{}-{nth}", std::process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The full path of the file `name` in this folder.
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes the file `name` in place and returns its full path.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests write the files under test"
    )]
    pub fn write(&self, name: &str, text: &str) -> String {
        let file = self.0.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    /// Writes a draft and renames it to `name`, like an editor, so that no reader sees half a file.
    /// Returns the full path of `name`.
    pub fn replace(&self, name: &str, text: &str) -> String {
        let draft = self.write("draft", text);
        fs::rename(draft, self.0.join(name)).unwrap();
        self.file(name)
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
