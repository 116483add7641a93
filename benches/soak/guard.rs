//! The guard that is soaked.

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

/// A guard at work. Dropping it kills it.
pub(crate) struct Guard {
    pub(crate) addr: SocketAddr,
    child: Child,
}

/// What it has said, when it has ended.
pub(crate) struct Log {
    pub(crate) file: PathBuf,
    text: String,
}

/// How long it may take to end: its grace, and a while.
const TENTHS: usize = 150;

/// The binary that a release build leaves beside this one.
pub(crate) fn binary() -> Option<PathBuf> {
    let here = env::current_exe().expect("this program");
    let mut above = here.ancestors().map(|folder| folder.join("guard"));
    above.find(|file| file.is_file())
}

// === impl Guard ===

impl Guard {
    /// Starts it before `upstream`; what it says is kept in `log`.
    pub(crate) fn start(binary: &Path, policy: &Path, upstream: SocketAddr, log: &Path) -> Self {
        let mut child = Command::new(binary)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--workers",
                "2",
                "--timeout",
                "5",
            ])
            .args(["--upstream", &format!("http://{upstream}")])
            .arg("--policy")
            .arg(policy)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(File::create(log).expect("a file"))
            .spawn()
            .expect("it starts");
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut first = String::new();
        said.read_line(&mut first).expect("a pipe");
        // What it says later must find a reader.
        thread::spawn(move || said.lines().map_while(Result::ok).for_each(drop));
        let addr = first.trim().strip_prefix("guard listens on http://");
        let addr = addr.expect("where it listens").parse().expect("an address");
        Self { addr, child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to end. Whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        let pid = self.pid().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        for _ in 0..TENTHS {
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

    /// Whether a line holds these words.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.text.lines().any(|line| line.contains(words))
    }

    /// Lines that no guard should write.
    pub(crate) fn alarming(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter(|line| {
            // A policy that is refused is told as an error, and meant to be.
            let is_error = line.contains(" ERROR ") && !line.contains(" stays in force: ");
            is_error || line.contains("panicked")
        })
    }

    /// The last lines but those of denials, which are many.
    pub(crate) fn last(&self, count: usize) -> Vec<&str> {
        let lines = self.text.lines().rev();
        let lines = lines.filter(|line| !line.contains(" gabion: denied "));
        let mut last: Vec<_> = lines.take(count).collect();
        last.reverse();
        last
    }
}
