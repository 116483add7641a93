//! The log: lines to standard error that never wait for their reader.

use std::{
    backtrace::Backtrace,
    collections::VecDeque,
    io::{self, IsTerminal as _, Write},
    panic::{self, PanicHookInfo},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use tracing::{error, warn};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// A writer that queues lines for a thread, which writes them.
///
/// A line for which the queue has no room is dropped and counted, and so is one that cannot be
/// written. The number is logged once lines can be written again.
///
/// The writer of `tracing-appender` is not used: its queue is not bounded in bytes, it does not count
/// lines that cannot be written, and at the end it writes to standard output, which may be the same
/// full or closed pipe.
#[derive(Clone, Debug, Default)]
pub(crate) struct LossyWriter(Arc<Shared>);

/// The log of the process. Dropping it waits until the queued lines are written, for a second at
/// most.
#[must_use = "dropping it waits for the queued lines"]
pub(crate) struct Log(LossyWriter);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// `true` while the thread writes a line.
    is_writing: bool,
    /// The number of lost lines that were not logged yet.
    lost: u64,
}

/// The time that the end of the process waits for the reader of the log.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// The number of panics that are logged with a backtrace. Later ones are events only.
const MAX_PANICS: u32 = 20;

/// Sends log records, and panics, to standard error.
///
/// # Errors
///
/// Fails if the system refuses another thread.
pub(crate) fn init() -> io::Result<Log> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let writer = LossyWriter::start(io::stderr())?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(writer.clone())
        .init();
    // The default hook writes to standard error, and waits for its reader.
    panic::set_hook(Box::new(log_panic));
    Ok(Log(writer))
}

fn log_panic(info: &PanicHookInfo<'_>) {
    static PANICS: AtomicU32 = AtomicU32::new(0);
    if PANICS.fetch_add(1, Ordering::Relaxed) >= MAX_PANICS {
        return;
    }
    let message = info.payload_as_str().unwrap_or_default();
    let message = message.get(..message.floor_char_boundary(512));
    let location = info.location().map(tracing::field::display);
    error!(location, message, backtrace = %Backtrace::capture(), "panic");
}

// === impl Log ===

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush_within(FLUSH_TIME);
    }
}

// === impl LossyWriter ===

impl LossyWriter {
    /// The maximum number of bytes in the queue: those of three seconds at the highest rate of events.
    const MAX_BYTES: usize = 128 * 1024;

    /// Starts the thread that writes to `out`.
    fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let writer = Self::default();
        let shared = Arc::clone(&writer.0);
        let thread = thread::Builder::new().name("guard-log".into());
        thread.spawn(move || shared.write_lines(out))?;
        Ok(writer)
    }

    /// Waits until the queued lines are written, for `limit` at most.
    fn flush_within(&self, limit: Duration) {
        let queue = self.0.lock();
        let is_busy = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
        // At the limit, the rest is lost.
        let _ = self.0.changed.wait_timeout_while(queue, limit, is_busy);
    }
}

impl Write for LossyWriter {
    /// Queues `line` or drops it; never waits.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().push(line);
        self.0.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LossyWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

// === impl Shared ===

impl Shared {
    /// Locks the queue. It is never locked while a line is written.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lines(&self, mut out: impl Write) {
        loop {
            let line = self.next_line();
            let is_written = out.write_all(&line).is_ok();
            let lost = self.lock().finish(is_written);
            self.changed.notify_all();
            if lost > 0 {
                warn!("{lost} log lines were lost: standard error was not read fast enough");
            }
        }
    }

    /// Waits for a line.
    fn next_line(&self) -> Box<[u8]> {
        let mut queue = self.lock();
        loop {
            if let Some(line) = queue.pop() {
                return line;
            }
            let woken = self.changed.wait(queue);
            queue = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

// === impl Queue ===

impl Queue {
    fn push(&mut self, line: &[u8]) {
        if self.bytes + line.len() > LossyWriter::MAX_BYTES {
            self.lost += 1;
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line.into());
    }

    fn pop(&mut self) -> Option<Box<[u8]>> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.len();
        self.is_writing = true;
        Some(line)
    }

    /// Ends the writing of a line. Returns the number of lost lines if they can be logged: the queue
    /// has room again, and somebody reads it.
    fn finish(&mut self, is_written: bool) -> u64 {
        self.is_writing = false;
        if !is_written {
            self.lost += 1;
            return 0;
        }
        if self.bytes > LossyWriter::MAX_BYTES / 2 {
            return 0;
        }
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader that takes one write for each permit, and fails for a permit `false`.
    struct Reader {
        permits: Receiver<bool>,
        read: Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.permits.recv().unwrap_or(false) {
                self.read.send(bytes.into()).unwrap();
                return Ok(bytes.len());
            }
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_beyond_the_queue_are_dropped_and_counted() {
        let (permit, permits) = channel();
        let (read, lines) = channel();
        let mut writer = LossyWriter::start(Reader { permits, read }).unwrap();
        let line = [b'x'; 1024];
        for _ in 0..1000 {
            writer.write_all(&line).unwrap();
        }
        // One line more than the queue holds may be with the thread.
        let lost = writer.0.lock().lost;
        assert!([1000 - 128, 1000 - 129].contains(&lost), "{lost}");
        writer.flush_within(Duration::from_millis(10));
        assert!(lines.try_recv().is_err(), "nothing was read");

        permit.send(false).unwrap();
        let queue = writer.0.lock();
        let limit = Duration::from_secs(10);
        let is_same = |queue: &mut Queue| queue.lost == lost;
        let waited = (writer.0.changed).wait_timeout_while(queue, limit, is_same);
        assert!(!waited.unwrap().1.timed_out(), "the line is not counted");
        for _ in 0..1000 - lost - 1 {
            permit.send(true).unwrap();
        }
        writer.flush_within(Duration::from_secs(10));
        assert_eq!(lines.try_iter().count() as u64, 1000 - lost - 1);
        assert_eq!(writer.0.lock().lost, 0, "the number is logged");
    }
}
