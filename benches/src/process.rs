//! A process that is measured, and where it runs.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench asks its machine, and may stop"
)]

use std::{
    env, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    thread,
    time::Duration,
};

/// The core that a proxy has for itself.
pub const CORE: u8 = 0;

/// The core that the load shares with the server behind.
pub const OTHER_CORE: u8 = 1;

/// A process on a core, which ends with this.
#[derive(Debug)]
#[expect(clippy::partial_pub_fields, reason = "the address is plain")]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    child: Child,
}

/// An address that nobody else has.
///
/// # Panics
///
/// Where the system has none.
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// `command` on this core.
pub fn pinned(core: u8, command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", &core.to_string()]);
    pinned.arg(command.get_program()).args(command.get_args());
    pinned
}

/// Keeps this process, and what it starts from now on, on this core.
///
/// # Panics
///
/// Where the machine has no such core.
pub fn stay_on(core: u8) {
    let (core, own) = (core.to_string(), process::id().to_string());
    let mut taskset = Command::new("taskset");
    taskset.args(["-cp", &core, &own]).stdout(Stdio::null());
    let status = taskset.status().expect("taskset is of util-linux");
    assert!(status.success(), "no core {core}");
}

/// The binary that a release build leaves beside this one; none, aloud, where there is none.
///
/// # Panics
///
/// Where the system does not know which program this is.
pub fn guard() -> Option<PathBuf> {
    let here = env::current_exe().expect("this program");
    let mut beside = here.ancestors().map(|folder| folder.join("guard"));
    let found = beside.find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no guard; `cargo build --release -p guard` makes one");
    }
    found
}

// === impl Running ===

impl Running {
    /// Starts `command`, which listens on `addr`.
    ///
    /// # Panics
    ///
    /// Where it does not.
    pub fn start(command: &Command, core: u8, addr: SocketAddr) -> Self {
        let mut command = pinned(core, command);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("taskset is of util-linux");
        let running = Self { addr, child };
        running.wait();
        running
    }

    fn wait(&self) {
        for _ in 0..500 {
            if TcpStream::connect(self.addr).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("nothing listens on {}", self.addr);
    }

    /// The time on a processor of all its threads and children, in nanoseconds.
    pub fn cpu(&self) -> u64 {
        self.family().into_iter().flat_map(threads).sum()
    }

    /// Its resident bytes, and those of its children.
    pub fn resident(&self) -> u64 {
        let of_one = |pid: u32| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
            Some(kib * 1024)
        };
        self.family().into_iter().filter_map(of_one).sum()
    }

    /// It and its children: nginx works in one.
    fn family(&self) -> Vec<u32> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().flat_map(str::parse);
        std::iter::once(pid).chain(children).collect()
    }
}

/// What each thread of a process has had.
fn threads(pid: u32) -> Vec<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let of_one = |task: std::io::Result<fs::DirEntry>| {
        let stat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse().ok()
    };
    tasks.filter_map(of_one).collect()
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx ends its worker only where it is asked to end.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}
