//! The bytes, memory and processor time of Redis and of the threads of instances.

use std::{
    cell::RefCell,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
};

use gabion_testkit::RedisServer;

/// A connection to Redis for its counts.
pub(crate) struct Meter(RefCell<BufReader<UnixStream>>);

/// Counts at one time, or between two times.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// Bytes from the instances to Redis, and from it to them. Those of TCP and IP are not counted.
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Memory that Redis allocated, in bytes.
    pub(crate) memory: u64,
    /// Processor time of Redis, in seconds.
    pub(crate) redis_cpu: f64,
    /// Processor time of the threads of all instances, in seconds.
    pub(crate) instances_cpu: f64,
}

/// The name of the thread of an instance. The kernel cuts names to 15 bytes.
const THREAD: &str = "gabion-shared";

// === impl Meter ===

impl Meter {
    pub(crate) fn new(redis: &RedisServer) -> Self {
        let url = redis.url();
        let path = url.strip_prefix("redis+unix://").expect("a socket");
        let socket = UnixStream::connect(path).expect("Redis listens");
        Self(RefCell::new(BufReader::new(socket)))
    }

    pub(crate) fn read(&self) -> Reading {
        let info = self.info();
        let text = |name: &str| {
            let mut lines = info.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        let count = |name: &str| text(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let seconds =
            |name: &str| -> f64 { text(name).and_then(|text| text.parse().ok()).unwrap_or(0.0) };
        Reading {
            bytes_in: count("total_net_input_bytes"),
            bytes_out: count("total_net_output_bytes"),
            memory: count("used_memory"),
            redis_cpu: seconds("used_cpu_user") + seconds("used_cpu_sys"),
            instances_cpu: threads_cpu(),
        }
    }

    fn info(&self) -> String {
        let mut reader = self.0.borrow_mut();
        reader.get_mut().write_all(b"INFO\r\n").expect("Redis runs");
        let mut header = String::new();
        reader.read_line(&mut header).expect("Redis runs");
        let length = header
            .trim()
            .strip_prefix('$')
            .and_then(|length| length.parse().ok());
        let length: usize = length.expect("a text");
        let mut text = vec![0; length + 2];
        reader.read_exact(&mut text).expect("Redis runs");
        String::from_utf8(text).expect("a text")
    }
}

// === impl Reading ===

impl Reading {
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            bytes_in: self.bytes_in - before.bytes_in,
            bytes_out: self.bytes_out - before.bytes_out,
            memory: self.memory.saturating_sub(before.memory),
            redis_cpu: self.redis_cpu - before.redis_cpu,
            instances_cpu: self.instances_cpu - before.instances_cpu,
        }
    }
}

/// The processor time of the threads that exchange bans, in seconds.
fn threads_cpu() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = |task: std::io::Result<fs::DirEntry>| {
        let task = task.ok()?.path();
        let name = fs::read_to_string(task.join("comm")).ok()?;
        if name.trim() != THREAD {
            return None;
        }
        let stat = fs::read_to_string(task.join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    };
    tasks.filter_map(nanos).sum::<u64>() as f64 / 1e9
}

/// The memory of this process, in bytes.
pub(crate) fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kib.unwrap_or(0) * 1024
}
