//! Starts the binary and reads its output.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use gabion_testkit::{RawConnection, eventually};

/// A running guard. Dropping it kills the process.
pub(crate) struct Guard {
    child: Child,
    stdout: Arc<Mutex<String>>,
    log: Arc<Mutex<String>>,
    /// The standard error while nobody reads it.
    unread: Option<ChildStderr>,
    addr: SocketAddr,
}

/// Runs the guard with these arguments until it exits.
pub(crate) fn guard<const N: usize>(args: [&str; N]) -> Output {
    command().args(args).output().unwrap()
}

/// Decodes the output of a program.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns `true` if `GABION_LONG_TESTS` is set, as in CI. Otherwise prints `SKIPPED`.
#[expect(
    clippy::disallowed_methods,
    reason = "an environment variable selects the long tests"
)]
pub(crate) fn runs_long_tests() -> bool {
    let is_set = std::env::var_os("GABION_LONG_TESTS").is_some();
    if !is_set {
        eprintln!("SKIPPED: GABION_LONG_TESTS is not set");
    }
    is_set
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guard"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

// === impl Guard ===

impl Guard {
    /// Starts the guard on a free port and waits until it listens.
    pub(crate) async fn start(args: &[&str]) -> Self {
        Self::start_on("127.0.0.1:0", args).await
    }

    /// Starts the guard on `addr` and waits until it listens.
    pub(crate) async fn start_on(addr: &str, args: &[&str]) -> Self {
        Self::spawn(addr, args).listening().await
    }

    /// Starts the guard on a free port, with a limit of open files, and waits until it listens.
    pub(crate) async fn start_with_descriptors(count: u32, args: &[&str]) -> Self {
        let mut command = Command::new("sh");
        let limited = format!("ulimit -n {count} && exec \"$0\" \"$@\"");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_guard")]);
        command.env_remove("RUST_LOG").stdin(Stdio::null());
        let mut guard = Self::spawn_by(command, "127.0.0.1:0", args);
        guard.read_log();
        guard.listening().await
    }

    /// Starts the guard with a listening socket and a socket for notifications, as systemd does, and waits until
    /// it listens.
    pub(crate) async fn start_activated(
        socket: &TcpListener,
        notify: &Path,
        args: &[&str],
    ) -> Self {
        let addr = socket.local_addr().unwrap().to_string();
        let guard = Self::spawn_activated(socket, notify, &addr, args);
        guard.listening().await
    }

    /// Starts the guard on `addr`, with a listening socket and a socket for notifications, as systemd does.
    pub(crate) fn spawn_activated(
        socket: &TcpListener,
        notify: &Path,
        addr: &str,
        args: &[&str],
    ) -> Self {
        let mut command = Command::new("sh");
        // The passed sockets begin at descriptor 3.
        let activated = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
        command.args(["-c", activated, env!("CARGO_BIN_EXE_guard")]);
        command.env_remove("RUST_LOG").env("NOTIFY_SOCKET", notify);
        command.stdin(OwnedFd::from(socket.try_clone().unwrap()));
        let mut guard = Self::spawn_by(command, addr, args);
        guard.read_log();
        guard
    }

    /// Like [`Self::start`], with a log that is not read before [`Self::read_log`].
    pub(crate) async fn start_unread(args: &[&str]) -> Self {
        let guard = Self::spawn_by(command(), "127.0.0.1:0", args);
        guard.listening().await
    }

    /// Starts the guard on `addr`.
    pub(crate) fn spawn(addr: &str, args: &[&str]) -> Self {
        let mut guard = Self::spawn_by(command(), addr, args);
        guard.read_log();
        guard
    }

    fn spawn_by(mut command: Command, addr: &str, args: &[&str]) -> Self {
        command.args(["--listen", addr]).args(args);
        Self::run(command, addr)
    }

    /// Starts the guard with a configuration file, in which it listens on a free port, and waits until it listens.
    pub(crate) async fn start_configured(config: &Path) -> Self {
        let mut command = command();
        command.arg("--config").arg(config);
        let mut guard = Self::run(command, "127.0.0.1:0");
        guard.read_log();
        guard.listening().await
    }

    fn run(mut command: Command, addr: &str) -> Self {
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = output.spawn().unwrap();
        Self {
            stdout: collect_lines(child.stdout.take().unwrap()),
            log: Arc::default(),
            unread: child.stderr.take(),
            addr: addr.parse().unwrap(),
            child,
        }
    }

    /// Waits until the guard listens.
    async fn listening(mut self) -> Self {
        let start_text = eventually(|| {
            let stdout = self.stdout();
            stdout.contains("Press Ctrl-C to stop.").then_some(stdout)
        });
        let start_text = start_text
            .await
            .unwrap_or_else(|| panic!("no start text: {}", self.log()));
        let first = start_text.lines().next().unwrap();
        let url = first
            .strip_prefix("guard listens on http://")
            .expect("the listening address");
        self.addr = url.parse().unwrap();
        self
    }

    /// Begins to read the standard error.
    pub(crate) fn read_log(&mut self) {
        self.log = collect_lines(self.unread.take().unwrap());
    }

    /// Closes the standard error without reading it.
    pub(crate) fn close_log(&mut self) {
        self.unread = None;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the number of open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid()));
        open.unwrap().count()
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the address that the guard listens on for HTTPS.
    pub(crate) fn tls_addr(&self) -> SocketAddr {
        let stdout = self.stdout();
        let lines = stdout.lines();
        let addr = lines.filter_map(|line| line.trim().strip_prefix("HTTPS      https://"));
        let addr = addr.filter_map(|rest| rest.split(',').next());
        let [addr] = addr.collect::<Vec<_>>()[..] else {
            panic!("not one address for HTTPS: {stdout}");
        };
        addr.parse().unwrap()
    }

    pub(crate) async fn connect(&self) -> RawConnection {
        RawConnection::connect(self.addr).await
    }

    /// Sends a GET on a new connection and returns the status.
    pub(crate) async fn status(&self, target: &str) -> u16 {
        let response = self.connect().await.get(target, "").await;
        response.expect("a response").status.as_u16()
    }

    /// Returns the standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// Returns the standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a log line that contains all of `words` and returns it.
    pub(crate) async fn logged<const N: usize>(&self, words: [&str; N]) -> String {
        let line = eventually(|| {
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

    /// Waits for the process to exit.
    pub(crate) async fn wait_for_exit(&mut self) -> ExitStatus {
        let status = eventually(|| self.child.try_wait().unwrap()).await;
        status.unwrap_or_else(|| panic!("it still runs:\n{}", self.log()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects the lines of a stream in a thread.
fn collect_lines(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
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
