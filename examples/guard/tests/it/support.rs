//! Running the binary.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use gabion_testkit::Wire;
use tokio::time::{sleep, timeout};

/// How long the guard may take for anything.
const PATIENCE: Duration = Duration::from_secs(15);

/// A guard at work. Dropping it kills it.
pub(crate) struct Guard {
    child: Child,
    said: Arc<Mutex<String>>,
    log: Arc<Mutex<String>>,
    addr: SocketAddr,
}

/// A new folder, gone with its value.
pub(crate) struct Folder(PathBuf);

/// Runs a command of the guard to its end.
pub(crate) fn guard<const N: usize>(args: [&str; N]) -> Output {
    command().args(args).output().unwrap()
}

/// What a program wrote.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guard"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// The page at `url` as headless Chromium has it after a while, with a profile of its own.
pub(crate) async fn dom(chromium: &Path, url: String) -> String {
    static VISITS: AtomicU32 = AtomicU32::new(0);
    let visit = VISITS.fetch_add(1, Ordering::Relaxed);
    let profile = Folder::new(&format!("chromium-{visit}"));
    let mut browse = Command::new("timeout");
    browse.arg("60").arg(chromium).stdin(Stdio::null());
    browse.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
        "--virtual-time-budget=5000",
    ]);
    browse.arg(format!("--user-data-dir={}", profile.path().display()));
    browse.args(["--dump-dom", &url]);
    let run = tokio::task::spawn_blocking(move || browse.output().unwrap());
    text(&run.await.unwrap().stdout)
}

// === impl Guard ===

impl Guard {
    /// Starts it on a port that nobody else has, and waits until it listens.
    pub(crate) async fn start(args: &[&str]) -> Self {
        let mut child = command()
            .args(["--listen", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = follow(child.stdout.take().unwrap());
        let log = follow(child.stderr.take().unwrap());
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut guard = Self {
            child,
            said,
            log,
            addr,
        };
        let greeting = until(|| {
            let said = guard.said();
            said.contains("Ctrl-C stops.").then_some(said)
        });
        let greeting = greeting
            .await
            .unwrap_or_else(|| panic!("no greeting: {}", guard.log()));
        let first = greeting.lines().next().unwrap();
        let url = first
            .strip_prefix("guard listens on http://")
            .expect("where it listens");
        guard.addr = url.parse().unwrap();
        guard
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.addr).await
    }

    /// The status that a GET is answered with, on a connection of its own.
    pub(crate) async fn status(&self, target: &str) -> u16 {
        let answer = self.connect().await.get(target, "").await;
        answer.expect("an answer").status.as_u16()
    }

    /// Its standard output so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Its standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line of the log that holds all of `words`, and gives it.
    pub(crate) async fn logged<const N: usize>(&self, words: [&str; N]) -> String {
        let line = until(|| {
            let log = self.log();
            let mut lines = log.lines();
            let found = lines.find(|line| words.iter().all(|word| line.contains(word)));
            found.map(ToOwned::to_owned)
        });
        line.await
            .unwrap_or_else(|| panic!("no {words:?} in the log:\n{}", self.log()))
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id();
        let kill = format!("kill -{name} {pid}");
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = until(|| self.child.try_wait().unwrap()).await;
        status.unwrap_or_else(|| panic!("it goes on:\n{}", self.log()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects what a program writes.
fn follow(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text: Arc<Mutex<String>> = Arc::default();
    let kept = Arc::clone(&text);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut kept = kept.lock().unwrap();
            *kept += &line;
            kept.push('\n');
        }
    });
    text
}

/// Waits for something that comes about elsewhere.
pub(crate) async fn until<T>(mut come: impl FnMut() -> Option<T>) -> Option<T> {
    let waiting = async {
        loop {
            if let Some(here) = come() {
                return here;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.ok()
}

// === impl Folder ===

impl Folder {
    /// An empty folder for the test of that name.
    pub(crate) fn new(test: &str) -> Self {
        let unique = format!("{test}-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The name of a file in it.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes a file as editors do: beside it, then over it.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test writes what the guard reads"
    )]
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let (draft, file) = (self.0.join("draft"), self.0.join(name));
        fs::write(&draft, text).unwrap();
        fs::rename(&draft, &file).unwrap();
        file.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind lies in cargo's own folder for it.
        let _ = fs::remove_dir_all(&self.0);
    }
}
