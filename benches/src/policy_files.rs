//! The reference policy, written to files.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::reference;

/// A temporary folder with the reference policy and its list of networks. Dropping it deletes the folder.
#[derive(Debug)]
pub struct PolicyFiles {
    folder: PathBuf,
}

// === impl PolicyFiles ===

impl PolicyFiles {
    /// Writes the policy and the list into a new folder.
    ///
    /// # Errors
    ///
    /// Returns the error of the file system if a file cannot be written.
    #[expect(clippy::disallowed_methods, reason = "a bench writes its policy")]
    pub fn new() -> io::Result<Self> {
        static NTH: AtomicUsize = AtomicUsize::new(0);
        let nth = NTH.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("gabion-bench-{}-{nth}", process::id()));
        fs::create_dir_all(&folder)?;
        let files = Self { folder };
        fs::write(
            files.folder.join("networks.netset"),
            reference::list(reference::NETWORKS),
        )?;
        fs::write(files.policy(), reference::policy("networks.netset"))?;
        Ok(files)
    }

    /// Turns bans by rules off, so that repeated probes are judged as the first one is: a client with a ban
    /// is denied at less cost.
    ///
    /// # Errors
    ///
    /// Returns the error of the file system if the policy cannot be changed.
    #[expect(clippy::disallowed_methods, reason = "a bench writes its policy")]
    pub fn without_bans(self) -> io::Result<Self> {
        let policy = fs::read_to_string(self.policy())?;
        let policy = policy.replace("[ban]\n", "[ban]\nmost_per_minute = 0\n");
        fs::write(self.policy(), policy)?;
        Ok(self)
    }

    /// The path of the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the policy.
    pub fn policy(&self) -> PathBuf {
        self.folder.join("policy.toml")
    }
}

impl Drop for PolicyFiles {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
