//! Processes under measurement, each pinned to a core.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench reads the system's state and may panic"
)]

use std::{
    env, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    thread,
    time::Duration,
};

/// The core on which the measured proxy runs alone.
pub const CORE: u8 = 0;

/// The core that the load generator shares with the upstream server.
pub const OTHER_CORE: u8 = 1;

/// A process that is pinned to a core and listens on an address. Dropping it ends the process.
#[derive(Debug)]
#[expect(clippy::partial_pub_fields, reason = "the address is plain")]
pub struct Running {
    /// The address on which the process listens.
    pub addr: SocketAddr,
    child: Child,
}

/// Returns a loopback address with an unused port.
///
/// # Panics
///
/// If no port is free.
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Wraps `command` so that it runs on `core` (`taskset -c`).
pub fn pinned(core: u8, command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", &core.to_string()]);
    pinned.arg(command.get_program()).args(command.get_args());
    pinned
}

/// Pins this process, and the processes that it starts from then on, to `core`.
///
/// # Panics
///
/// If the machine has no such core or `taskset` is not installed.
pub fn stay_on(core: u8) {
    let (core, own) = (core.to_string(), process::id().to_string());
    let mut taskset = Command::new("taskset");
    taskset.args(["-cp", &core, &own]).stdout(Stdio::null());
    let status = taskset.status().expect("taskset is of util-linux");
    assert!(status.success(), "no core {core}");
}

/// Finds the `guard` binary of a release build, in a parent folder of this program. Prints a note and
/// returns `None` if there is none.
///
/// # Panics
///
/// If the system does not provide the path of this program.
pub fn guard() -> Option<PathBuf> {
    let here = env::current_exe().expect("this program");
    let mut beside = here.ancestors().map(|folder| folder.join("guard"));
    let found = beside.find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no guard binary; run `cargo build --release -p guard`");
    }
    found
}

// === impl Running ===

impl Running {
    /// Starts `command` on `core` and waits until it listens on `addr`.
    ///
    /// # Panics
    ///
    /// If it does not listen within 10 seconds.
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

    /// The processor time of the process and its children, all threads together, in nanoseconds.
    pub fn cpu(&self) -> u64 {
        self.processes().into_iter().flat_map(thread_times).sum()
    }

    /// The memory of the process and its children, in bytes (`Pss`).
    pub fn resident(&self) -> u64 {
        let memory = |pid: u32| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
            Some(kib * 1024)
        };
        self.processes().into_iter().filter_map(memory).sum()
    }

    /// The highest memory of the process and of its children so far, in bytes (`VmHWM`), with the files that they
    /// map. Pages that they share count for each.
    pub fn peak(&self) -> u64 {
        let memory = |pid: u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))?;
            let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
            Some(kib * 1024)
        };
        self.processes().into_iter().filter_map(memory).sum()
    }

    /// The ids of the process and its children. nginx serves requests in a child process.
    fn processes(&self) -> Vec<u32> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().flat_map(str::parse);
        std::iter::once(pid).chain(children).collect()
    }
}

/// The processor time of each thread of a process, in nanoseconds.
fn thread_times(pid: u32) -> Vec<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let time = |task: std::io::Result<fs::DirEntry>| {
        let stat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse().ok()
    };
    tasks.filter_map(time).collect()
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM, not SIGKILL: nginx ends its worker process only on a regular exit.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}
