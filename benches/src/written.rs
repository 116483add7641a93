//! The reference policy as files.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::reference;

/// A folder with the reference policy and its list, gone with its last user.
#[derive(Debug)]
pub struct Written {
    folder: PathBuf,
}

// === impl Written ===

impl Written {
    /// Writes both.
    ///
    /// # Errors
    ///
    /// What the system says against files.
    #[expect(clippy::disallowed_methods, reason = "a bench writes its policy")]
    pub fn new() -> io::Result<Self> {
        static NTH: AtomicUsize = AtomicUsize::new(0);
        let nth = NTH.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("gabion-bench-{}-{nth}", process::id()));
        fs::create_dir_all(&folder)?;
        let written = Self { folder };
        fs::write(written.folder.join("networks.netset"), reference::list())?;
        fs::write(written.policy(), reference::policy("networks.netset"))?;
        Ok(written)
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The policy.
    pub fn policy(&self) -> PathBuf {
        self.folder.join("policy.toml")
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
