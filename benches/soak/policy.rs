//! The policy of the soak: the reference policy with additions. Its files are rewritten meanwhile.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gabion_benches::reference;

/// The files of the policy, in a temporary folder. Dropping it deletes the folder.
pub(crate) struct Files {
    folder: PathBuf,
    policy: String,
}

/// The duration of first bans, in seconds.
pub(crate) const BAN: u64 = 3;

/// The factor by which the second ban of a client is longer.
pub(crate) const GROWTH: u32 = 2;

/// Short bans without a ban budget. The additions ban clients, limit requests, and end WebSockets that do
/// not answer pings, do not read, or send a forbidden message.
const BANS: &str =
    "[ban]\nfirst = \"3s\"\ngrowth = 2\nmost_per_minute = 1000000\nmost_percent = 100\n";
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
    /// Writes the files into `folder`.
    pub(crate) fn write(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).expect("a folder");
        let list = "banned.netset";
        let policy = reference::policy(list).replace("[ban]\n", BANS) + MORE;
        assert!(policy.contains(BANS), "the reference policy has changed");
        let files = Self { folder, policy };
        files.put(list, &reference::list(reference::NETWORKS));
        files.put("policy.toml", &files.good(0));
        files
    }

    pub(crate) fn policy(&self) -> PathBuf {
        self.folder.join("policy.toml")
    }

    /// Returns a policy that denies the path prefix `/generation/NTH`.
    pub(crate) fn good(&self, nth: usize) -> String {
        format!(
            "{}\n[[deny]]\nid = \"generation\"\nprefix = \"/generation/{nth}\"\n",
            self.policy
        )
    }

    /// Returns a broken policy of generation `nth`, which guard must reject.
    pub(crate) fn bad(&self, nth: usize) -> String {
        let mut text = self.good(nth);
        match nth % 4 {
            0 => text.push_str("unknown = 1\n"),
            1 => text.push_str("[[deny]]\nid = \"cut"),
            2 => text.clear(),
            // A policy without most of its rules, which the shrink guard rejects.
            _ => {
                let kept = text.find("\n[[deny]]\nid = \"exact-1\"").expect("a rule");
                text.truncate(kept);
                text.push_str(MORE);
            }
        }
        text
    }

    /// Saves a policy where guard reads it: in place, or to a new file that replaces the old one, as
    /// editors do.
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
