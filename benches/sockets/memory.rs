//! The memory of processes.

use std::{fs, thread, time::Duration};

/// The growth of a process, in bytes per socket.
#[derive(Debug)]
pub(crate) struct Growth {
    pub(crate) idle: i64,
    pub(crate) used: i64,
}

/// The delay before a measurement, in which processes free temporary memory.
const SETTLE: Duration = Duration::from_millis(500);

impl Growth {
    pub(crate) fn new(before: u64, idle: u64, used: u64, sockets: usize) -> Self {
        let each = |bytes: u64| {
            let growth = bytes.cast_signed() - before.cast_signed();
            growth / i64::try_from(sockets).expect("a count of sockets")
        };
        Self {
            idle: each(idle),
            used: each(used),
        }
    }
}

/// Returns the anonymous memory of a process and its children, in bytes. Shared pages are divided among
/// the processes that share them.
pub(crate) fn anonymous(pid: u32) -> u64 {
    thread::sleep(SETTLE);
    with_children(pid).into_iter().map(anonymous_of_one).sum()
}

fn anonymous_of_one(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("a process");
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss_Anon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib
        .expect("Linux 5.5 or later")
        .trim()
        .parse()
        .expect("a number");
    kib * 1024
}

fn with_children(pid: u32) -> Vec<u32> {
    let tasks = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(tasks).unwrap_or_default();
    let children = children
        .split_whitespace()
        .map(|pid| pid.parse().expect("a number"));
    std::iter::once(pid)
        .chain(children.flat_map(with_children))
        .collect()
}
