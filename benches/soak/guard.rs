//! The guard process under test, and its log.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// A running guard. Dropping it kills the process.
pub(crate) struct Guard {
    pub(crate) addr: SocketAddr,
    child: Child,
}

/// The log of a guard that has ended.
pub(crate) struct Log {
    pub(crate) file: PathBuf,
    text: String,
}

/// guard's `--send-timeout`.
pub(crate) const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for a regular shutdown, in tenths of a second: longer than guard's grace period.
const STOP_TENTHS: usize = 150;

/// Finds the `guard` binary of a release build, in a parent folder of this program.
pub(crate) fn binary() -> Option<PathBuf> {
    let here = env::current_exe().expect("this program");
    let mut above = here.ancestors().map(|folder| folder.join("guard"));
    above.find(|file| file.is_file())
}

// === impl Guard ===

impl Guard {
    /// Starts guard in front of `upstream`. Its log goes to the file `log`.
    pub(crate) fn start(binary: &Path, policy: &Path, upstream: SocketAddr, log: &Path) -> Self {
        let mut child = Command::new(binary)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--workers",
                "2",
                "--timeout",
                "5",
                "--h2",
            ])
            .args(["--send-timeout", &SEND_TIMEOUT.as_secs().to_string()])
            .args(["--upstream", &format!("http://{upstream}")])
            .arg("--policy")
            .arg(policy)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(File::create(log).expect("a file"))
            .spawn()
            .expect("guard starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut first = String::new();
        stdout.read_line(&mut first).expect("a pipe");
        // Without a reader, guard would block on a full pipe.
        thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(drop));
        let addr = first.trim().strip_prefix("guard listens on http://");
        let addr = addr.expect("a first line with the address");
        let addr = addr.parse().expect("an address");
        Self { addr, child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM. Returns `true` if guard exits in time and with success.
    pub(crate) fn stop(mut self) -> bool {
        let pid = self.pid().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        for _ in 0..STOP_TENTHS {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.success();
            }
            thread::sleep(Duration::from_millis(100));
        }
        false
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// === impl Log ===

impl Log {
    pub(crate) fn read(file: PathBuf) -> Self {
        let text = fs::read(&file).expect("a file");
        let text = String::from_utf8_lossy(&text).into_owned();
        Self { file, text }
    }

    /// Returns `true` if a line contains `text`.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.text.lines().any(|line| line.contains(text))
    }

    /// Returns errors and panics, except for rejected policies.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter(|line| {
            // The soak writes broken policies, which guard must reject with an error.
            let is_error = line.contains(" ERROR ") && !line.contains(" stays in force: ");
            is_error || line.contains("panicked")
        })
    }

    /// Returns the last `count` lines, without those of denials, which are frequent.
    pub(crate) fn last(&self, count: usize) -> Vec<&str> {
        let lines = self.text.lines().rev();
        let lines = lines.filter(|line| !line.contains(" gabion: denied "));
        let mut last: Vec<_> = lines.take(count).collect();
        last.reverse();
        last
    }
}
