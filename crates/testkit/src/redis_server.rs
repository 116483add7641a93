//! A real Redis.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{TempFolder, program};

/// The number of checks for the start of the server, 5 ms apart.
const CHECKS: usize = 6_000;

/// A running `redis-server` on a socket in a temporary folder, without TCP (unless its arguments open a port) and
/// snapshots. Dropping it kills it.
#[derive(Debug)]
pub struct RedisServer {
    program: PathBuf,
    folder: TempFolder,
    args: Vec<String>,
    child: Child,
}

impl RedisServer {
    /// Starts the server and waits until it answers; `None` if it is not installed ([`program`]).
    pub fn start(args: &[&str]) -> Option<Self> {
        let program = program("redis-server")?;
        let folder = TempFolder::new("redis");
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let child = spawn(&program, &folder, &args);
        let server = Self {
            program,
            folder,
            args,
            child,
        };
        server.wait();
        Some(server)
    }

    /// The URL of the socket.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.file("socket"))
    }

    /// Kills the process: what it has in memory is lost.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts a killed server again, and waits until it answers.
    pub fn restart(&mut self) {
        self.child = spawn(&self.program, &self.folder, &self.args);
        self.wait();
    }

    /// Sends a signal such as `STOP`.
    pub fn signal(&self, name: &str) {
        let (signal, pid) = (format!("-{name}"), self.child.id().to_string());
        let sent = Command::new("kill").args([signal, pid]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    #[expect(clippy::disallowed_methods, reason = "a test waits for a server")]
    fn wait(&self) {
        for _ in 0..CHECKS {
            if self.answers() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("redis-server does not answer");
    }

    /// Whether it answers a PING. It also does if it asks for a password, but not while it loads its data.
    fn answers(&self) -> bool {
        let mut answer = [0; 7];
        let mut ping = || {
            let mut socket = UnixStream::connect(self.folder.path().join("socket"))?;
            socket.set_read_timeout(Some(Duration::from_secs(1)))?;
            socket.write_all(b"PING\r\n")?;
            socket.read_exact(&mut answer)
        };
        ping().is_ok() && matches!(&answer, b"+PONG\r\n" | b"-NOAUTH")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &PathBuf, folder: &TempFolder, args: &[String]) -> Child {
    let mut command = Command::new(program);
    command.args(["--port", "0", "--unixsocket", "socket", "--save", ""]);
    command.args(args).current_dir(folder.path());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}
