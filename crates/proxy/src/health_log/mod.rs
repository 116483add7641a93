//! Health log of AWS Elastic Beanstalk: one line per request, in one file per hour.
//!
//! The health agent of an instance (healthd) reads status codes and latencies of requests from this
//! log, which nginx writes on Beanstalk's platforms ("Enhanced health log format" in the Elastic
//! Beanstalk Developer Guide). A server that takes requests without nginx in front of it writes the
//! log itself.

mod hourly_files;
mod line;
mod service;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::warn;

use self::hourly_files::{Hour, HourlyFiles};
pub use self::service::{HealthLogBody, HealthLogFuture, HealthLogService};
use crate::event_sink::wall_clock;

/// The health log of AWS Elastic Beanstalk, which [`HealthLogService`] writes.
///
/// A line holds the six fields that Beanstalk configures for nginx, separated by `"`: time of
/// completion, path, status, request time, upstream time, `X-Forwarded-For`.
///
/// ```text
/// 1437609880.006"/bad/path"404"0.001"0.001"177.72.242.17
/// ```
///
/// - Times are in seconds, with milliseconds, as for nginx (the agent's settings
///   `appstat_unit: sec` and `appstat_timestamp_on: completion`, both of which are its defaults).
/// - The path is that of the request target, as sent and without its query.
/// - The upstream time repeats the request time, as in Beanstalk's format for Apache; the agent does
///   not read it.
/// - `"`, `\` and all bytes outside of printable ASCII are written as `\xHH`, as nginx does. Path and
///   `X-Forwarded-For` are cut to 256 bytes each. A missing field is `-`.
/// - Files are named `application.log.YYYY-MM-DD-HH`, by the hour of completion in UTC. When an hour
///   begins, files of that name older than two hours are deleted. Beanstalk's own job deletes them
///   as well.
///
/// A thread writes the files. Requests never wait for it: a line that finds 4,096 others waiting is
/// dropped, and the log reports their number at most once a minute. Lines that still wait when the
/// process ends are lost.
///
/// Clones write to the same files.
#[derive(Clone, Debug)]
pub struct HealthLog(Arc<Queue>);

/// The requests' end of the queue.
#[derive(Debug)]
struct Queue {
    lines: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

/// A line that waits for the writer.
#[derive(Debug)]
struct Entry {
    hour: Hour,
    line: String,
}

/// The thread's end of the queue.
struct Writer {
    lines: Receiver<Entry>,
    lost: Arc<AtomicU64>,
    files: HourlyFiles,
    reported: Option<Instant>,
}

/// The number of lines that may wait: 9 MiB of the longest ones.
const CAPACITY: usize = 4_096;

/// The size of the buffer after which lines are written.
const BATCH: usize = 64 * 1024;

/// The time between two reports of lost lines.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

// === impl HealthLog ===

impl HealthLog {
    /// Opens the file of the current hour in `folder`, and starts the thread that writes.
    ///
    /// # Errors
    ///
    /// Returns the system's error if the file cannot be created, or if the system refuses another
    /// thread.
    pub fn start(folder: PathBuf) -> io::Result<Self> {
        let mut files = HourlyFiles::new(folder);
        files.write(Hour::of(wall_clock()), b"")?;
        let (log, writer) = Self::queue(files, CAPACITY);
        let thread = thread::Builder::new().name("gabion-health-log".into());
        thread.spawn(move || writer.run())?;
        Ok(log)
    }

    fn queue(files: HourlyFiles, capacity: usize) -> (Self, Writer) {
        let (sender, lines) = sync_channel(capacity);
        let lost = Arc::default();
        let writer = Writer {
            lines,
            lost: Arc::clone(&lost),
            files,
            reported: None,
        };
        let queue = Queue {
            lines: sender,
            lost,
        };
        (Self(Arc::new(queue)), writer)
    }

    /// Queues a line or drops it; never waits.
    fn push(&self, hour: Hour, line: String) {
        if self.0.lines.try_send(Entry { hour, line }).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// === impl Writer ===

impl Writer {
    /// Writes lines until the last [`HealthLog`] is dropped.
    fn run(mut self) {
        while let Ok(first) = self.lines.recv() {
            self.write_batch(first);
            self.report_lost();
        }
    }

    /// Writes `first` and the lines that wait behind it.
    fn write_batch(&mut self, first: Entry) {
        let (mut hour, mut batch, mut count) = (first.hour, first.line.into_bytes(), 1);
        while let Ok(next) = self.lines.try_recv() {
            if next.hour != hour {
                self.write(hour, &batch, count);
                batch.clear();
                (hour, count) = (next.hour, 0);
            }
            batch.extend_from_slice(next.line.as_bytes());
            count += 1;
            if batch.len() >= BATCH {
                break;
            }
        }
        self.write(hour, &batch, count);
    }

    fn write(&mut self, hour: Hour, lines: &[u8], count: u64) {
        if let Err(error) = self.files.write(hour, lines) {
            self.lost.fetch_add(count, Ordering::Relaxed);
            if self.may_report() {
                let folder = self.files.folder().display();
                warn!(target: "gabion::proxy", "cannot write the health log in {folder}: {error}");
            }
        }
    }

    fn report_lost(&mut self) {
        if self.lost.load(Ordering::Relaxed) > 0 && self.may_report() {
            let lost = self.lost.swap(0, Ordering::Relaxed);
            warn!(
                target: "gabion::proxy",
                "{lost} lines of the health log were lost: the disk is full or too slow"
            );
        }
    }

    /// Returns `true` if no report was made in the last minute.
    #[expect(
        clippy::disallowed_methods,
        reason = "no request waits for this thread"
    )]
    fn may_report(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self
            .reported
            .is_none_or(|last| now.duration_since(last) >= REPORT_INTERVAL);
        if is_due {
            self.reported = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests;
