//! A process that is measured.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// A process on a core of its own, which ends with this.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    child: Child,
}

/// An address that nobody else has.
pub(crate) fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// `command` on this core.
pub(crate) fn pinned(core: u8, command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", &core.to_string()]);
    pinned.arg(command.get_program()).args(command.get_args());
    pinned
}

impl Running {
    /// Starts `command`, which listens on `addr`.
    pub(crate) fn start(command: &Command, core: u8, addr: SocketAddr) -> Self {
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
    pub(crate) fn cpu(&self) -> u64 {
        self.family().into_iter().flat_map(threads).sum()
    }

    /// Its resident bytes, and those of its children.
    pub(crate) fn resident(&self) -> u64 {
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
