//! The reference policy, with what a soak needs on top, and how its files are rewritten.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gabion_benches::reference;

/// A policy's files, in a folder that goes with it.
pub(crate) struct Files {
    folder: PathBuf,
    policy: String,
}

/// How long bans last, in seconds.
pub(crate) const BAN: u64 = 3;

/// Bans that end soon, and as many as rules find; silence, stalls and words that WebSockets are ended
/// for.
const BANS: &str = "[ban]\nfirst = \"3s\"\nmost_per_minute = 1000000\nmost_percent = 100\n";
const MORE: &str = r#"
[[deny]]
id = "trap"
prefix = "/trap"
then = "ban 3s"

[[limit]]
id = "few"
paths = ["/limited"]
rate = "2/s"
burst = 5
mode = "enforce"

[upgrade]
origins = ["https://app.example"]
ping = "2s"
write_stall = "5s"
max_message = "64KiB"

[[message]]
id = "injection"
contains = ["${jndi:"]
then = "ban 3s"
"#;

// === impl Files ===

impl Files {
    /// Writes them into `folder`.
    pub(crate) fn write(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).expect("a folder");
        let list = "banned.netset";
        let policy = reference::policy(list).replace("[ban]\n", BANS) + MORE;
        assert!(policy.contains(BANS), "the reference policy has changed");
        let files = Self { folder, policy };
        files.put(list, &reference::list());
        files.put("policy.toml", &files.good(0));
        files
    }

    pub(crate) fn policy(&self) -> PathBuf {
        self.folder.join("policy.toml")
    }

    /// A policy that refuses `/generation/NTH` and below.
    pub(crate) fn good(&self, nth: usize) -> String {
        format!(
            "{}\n[[deny]]\nid = \"generation\"\nprefix = \"/generation/{nth}\"\n",
            self.policy
        )
    }

    /// One that would, and must not come into force.
    pub(crate) fn bad(&self, nth: usize) -> String {
        let mut text = self.good(nth);
        match nth % 4 {
            0 => text.push_str("unknown = 1\n"),
            1 => text.push_str("[[deny]]\nid = \"cut"),
            2 => text.clear(),
            // Most of the rules are lost.
            _ => {
                let kept = text.find("\n[[deny]]\nid = \"exact-1\"").expect("a rule");
                text.truncate(kept);
                text.push_str(MORE);
            }
        }
        text
    }

    /// Puts a policy where guard reads it: beside it, then over it, as editors do, or in place.
    pub(crate) fn save(&self, text: &str, in_place: bool) {
        if in_place {
            fs::write(self.policy(), text).expect("a file");
        } else {
            self.put("policy.toml", text);
        }
    }

    fn put(&self, name: &str, text: &str) {
        let draft = self.folder.join("draft");
        fs::write(&draft, text).expect("a file");
        fs::rename(draft, self.folder.join(name)).expect("the same folder");
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new(&self.folder));
    }
}
