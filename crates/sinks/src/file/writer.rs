//! The thread that writes the lines of a log.

use std::{
    cell::RefCell,
    fmt, io,
    io::Write,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use gabion_core::LogEvent;

use super::{
    LogTarget,
    queue::{LineQueue, Work},
    rotating::RotatingFile,
};
use crate::clock::wall_clock;

/// A log that requests write to without waiting: a thread of its own writes the lines.
///
/// Lines wait in a queue that is bounded in bytes. A line that finds no room, because the disk or the reader of a
/// pipe is too slow, is dropped and counted. So is one that cannot be written. Changes are reported as a [`LogEvent`]:
/// an outage and its end once each, and the number of lost lines at most once a minute, when there is room again.
///
/// Clones write to the same log. When the last one is dropped, the thread writes the queued lines and stops;
/// [`Self::flush_within`] waits for it.
///
/// # Cost
///
/// A copy of the line under a short lock, which is never held while the thread writes, and a wake-up of the thread
/// at most every 50 ms.
#[derive(Clone)]
pub struct LineLog(Arc<Handle>);

/// Takes the reports of a [`LineLog`], on its thread.
pub type OnLogEvent = Box<dyn Fn(&LogEvent) + Send>;

/// The callers' end. Dropping it lets the thread stop.
struct Handle {
    name: String,
    queue: Arc<LineQueue>,
}

/// The thread's end.
struct Writer {
    name: String,
    queue: Arc<LineQueue>,
    out: Out,
    on_event: OnLogEvent,
    is_failing: bool,
    reported: Option<SystemTime>,
}

enum Out {
    File(RotatingFile),
    Stream(Box<dyn Write + Send>),
}

/// The time between two reports of lost lines.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// The time between two looks at a log without lines.
const IDLE: Duration = Duration::from_secs(1);

thread_local! {
    /// The buffer in which a thread formats lines.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

// === impl LineLog ===

impl LineLog {
    /// The maximum number of bytes of lines that wait: 1 MiB. There are two buffers of this size.
    pub const MAX_BYTES: usize = 1024 * 1024;

    /// Opens the log, and starts the thread that writes.
    ///
    /// # Errors
    ///
    /// Returns the system's error if the file cannot be opened, or if the system refuses another thread.
    pub fn start(target: &LogTarget, on_event: OnLogEvent) -> io::Result<Self> {
        match target {
            LogTarget::Stdout => Self::to_stream("stdout", io::stdout(), on_event),
            LogTarget::File(path, rotation) => {
                let file = RotatingFile::open(path.clone(), rotation.clone(), wall_clock())?;
                Self::spawn(&path.display().to_string(), Out::File(file), on_event)
            }
        }
    }

    /// Starts a log that is written to `stream`. `name` is its name in reports.
    ///
    /// # Errors
    ///
    /// Returns the system's error if it refuses another thread.
    pub fn to_stream(
        name: &str,
        stream: impl Write + Send + 'static,
        on_event: OnLogEvent,
    ) -> io::Result<Self> {
        Self::spawn(name, Out::Stream(Box::new(stream)), on_event)
    }

    fn spawn(name: &str, out: Out, on_event: OnLogEvent) -> io::Result<Self> {
        let queue = Arc::new(LineQueue::new(Self::MAX_BYTES));
        let writer = Writer {
            name: name.to_owned(),
            queue: Arc::clone(&queue),
            out,
            on_event,
            is_failing: false,
            reported: None,
        };
        let thread = thread::Builder::new().name("gabion-log".into());
        thread.spawn(move || writer.run())?;
        let name = name.to_owned();
        Ok(Self(Arc::new(Handle { name, queue })))
    }

    /// Queues the line that `write` appends to an empty buffer, or drops it; never waits.
    pub fn write_with(&self, write: impl FnOnce(&mut Vec<u8>)) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            write(line);
            if !line.is_empty() {
                self.0.queue.push(line);
            }
        });
    }

    /// Waits until the queued lines are written, for `limit` at most.
    pub fn flush_within(&self, limit: Duration) {
        self.0.queue.flush_within(limit);
    }
}

impl fmt::Debug for LineLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LineLog").field(&self.0.name).finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

// === impl Writer ===

impl Writer {
    fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let work = self.queue.next_batch(&mut batch, IDLE);
            let now = wall_clock();
            match work {
                Work::Stop => return,
                Work::Idle => self.look_after(now),
                Work::Write => self.write(&batch, now),
            }
            self.report_lost(now);
        }
    }

    fn look_after(&mut self, now: SystemTime) {
        if let Out::File(file) = &mut self.out
            && let Err(error) = file.rotate_if_due(now)
        {
            self.fail(&error, now);
        }
    }

    fn write(&mut self, lines: &[u8], now: SystemTime) {
        let (written, result) = match &mut self.out {
            Out::File(file) => file.write(lines, now),
            Out::Stream(stream) => {
                let result = stream.write_all(lines).and_then(|()| stream.flush());
                let written = if result.is_ok() { lines.len() } else { 0 };
                (written, result)
            }
        };
        match result {
            Ok(()) => self.recover(now),
            Err(error) => {
                let rest = lines.get(written..).unwrap_or_default();
                let lost = memchr::memchr_iter(b'\n', rest).count();
                self.queue.add_lost(u64::try_from(lost).unwrap_or(u64::MAX));
                self.fail(&error, now);
            }
        }
    }

    fn fail(&mut self, error: &io::Error, now: SystemTime) {
        if !self.is_failing {
            self.is_failing = true;
            (self.on_event)(&LogEvent::degraded(now, &self.name, &error.to_string()));
        }
    }

    fn recover(&mut self, now: SystemTime) {
        if self.is_failing {
            self.is_failing = false;
            (self.on_event)(&LogEvent::recovered(now, &self.name));
        }
    }

    /// Reports lost lines once lines can be written.
    fn report_lost(&mut self, now: SystemTime) {
        if self.is_failing || !self.queue.has_lost() {
            return;
        }
        let since = self.reported.map(|last| now.duration_since(last));
        // A clock that was set back does not delay it.
        if since.is_some_and(|since| since.is_ok_and(|since| since < REPORT_INTERVAL)) {
            return;
        }
        let lost = self.queue.take_lost();
        if lost > 0 {
            self.reported = Some(now);
            (self.on_event)(&LogEvent::dropped(now, &self.name, lost));
        }
    }
}
