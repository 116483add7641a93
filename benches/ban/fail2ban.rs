//! fail2ban with its own configuration, socket and database, apart from those of the system.

use std::{
    cell::Cell,
    fmt, fs,
    net::Ipv4Addr,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gabion_benches::process::{CORE, pinned};
use gabion_testkit::program;

use crate::{TIMEOUT, testbed::Testbed};

/// The method by which fail2ban detects new log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Polling,
    Pyinotify,
}

/// A fail2ban server that follows the log of nginx. Dropping it ends the server.
pub(crate) struct Fail2ban {
    child: Child,
    bans: PathBuf,
    backend: Backend,
    clients: Cell<u8>,
}

const FILTERS: &str = "/etc/fail2ban/filter.d";

const SERVER: &str = "
[Definition]
loglevel = INFO
logtarget = FOLDER/log
syslogsocket = auto
socket = FOLDER/socket
pidfile = FOLDER/pid
dbfile = FOLDER/db.sqlite3
dbpurgeage = 1d
dbmaxmatches = 10
";

const JAIL: &str = "
[botsearch]
enabled = true
filter = nginx-botsearch
backend = BACKEND
logpath = ACCESS
maxretry = 10
findtime = 10m
bantime = 10m
usedns = no
action = stamp
";

const ACTION: &str = "
[Definition]
actionban = printf '%%s %%s\\n' <ip> $(date +%%s.%%N) >> FOLDER/bans
";

// === impl Fail2ban ===

impl Fail2ban {
    /// Starts fail2ban. Prints a note and returns `None` if it or its backend is not installed.
    pub(crate) fn start(backend: Backend, testbed: &Testbed) -> Option<Self> {
        let server = program("fail2ban-server")?;
        let folder = testbed.folder.path().join(backend.to_string());
        fs::create_dir_all(folder.join("action.d")).expect("a folder");
        symlink(FILTERS, folder.join("filter.d")).expect("a link to Debian's filters");
        let name = backend.to_string();
        let access = testbed.log().display().to_string();
        for (file, text) in [
            ("fail2ban.conf", SERVER),
            ("jail.conf", JAIL),
            ("action.d/stamp.conf", ACTION),
        ] {
            let text = text
                .replace("FOLDER", &folder.display().to_string())
                .replace("ACCESS", &access)
                .replace("BACKEND", &name);
            testbed.folder.write(&format!("{name}/{file}"), &text);
        }
        let mut command = Command::new(server);
        command.arg("-c").arg(&folder);
        command.arg("-s").arg(folder.join("socket"));
        command.arg("-p").arg(folder.join("pid"));
        command.args(["-f", "-x", "start"]);
        let mut command = pinned(CORE, &command);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let fail2ban = Self {
            child: command.spawn().expect("taskset is of util-linux"),
            bans: folder.join("bans"),
            backend,
            clients: Cell::new(0),
        };
        fail2ban.wait().then_some(fail2ban)
    }

    /// Waits until fail2ban follows the log. Prints a note and returns `false` if it does not start.
    fn wait(&self) -> bool {
        let log = self.bans.with_file_name("log");
        let start = SystemTime::now();
        while start.elapsed().is_ok_and(|waited| waited < TIMEOUT) {
            let text = fs::read_to_string(&log).unwrap_or_default();
            if text.contains("Jail 'botsearch' started") {
                return true;
            }
            thread::sleep(Duration::from_millis(50));
        }
        eprintln!("SKIPPED: fail2ban does not start with {}", self.backend);
        false
    }

    /// Returns an unused client address.
    pub(crate) fn next_client(&self) -> Ipv4Addr {
        self.clients.set(self.clients.get() + 1);
        let net = match self.backend {
            Backend::Polling => 51,
            Backend::Pyinotify => 52,
        };
        [198, net, 100, self.clients.get()].into()
    }

    /// Returns the time at which the ban action ran for `client`.
    pub(crate) fn ban_time(&self, client: Ipv4Addr) -> Option<SystemTime> {
        let bans = fs::read_to_string(&self.bans).ok()?;
        let client = client.to_string();
        let mut lines = bans.lines().filter_map(|line| line.split_once(' '));
        let (_, at) = lines.find(|(banned, _)| *banned == client)?;
        let at = at.parse().expect("seconds");
        Some(UNIX_EPOCH + Duration::from_secs_f64(at))
    }
}

impl Drop for Fail2ban {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

// === impl Backend ===

impl Backend {
    pub(crate) const ALL: [Self; 2] = [Self::Pyinotify, Self::Polling];
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Polling => "polling",
            Self::Pyinotify => "pyinotify",
        })
    }
}
