//! Logs whose disk or reader fails.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read files, and a failed step must end the test"
)]

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use gabion_core::LogChange;
use gabion_sinks::{LineLog, LogTarget, OnLogEvent, Rotation};
use gabion_testkit::TempFolder;

const LONG: Duration = Duration::from_secs(20);

/// A reader that takes one write for each permit, and fails for a permit `false`.
struct Reader {
    permits: Receiver<bool>,
    read: Sender<usize>,
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.permits.recv().unwrap_or(false) {
            self.read.send(bytes.len()).unwrap();
            return Ok(bytes.len());
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn reports() -> (OnLogEvent, Receiver<LogChange>) {
    let (report, reports) = channel();
    let on_event = move |event: &gabion_core::LogEvent| {
        // The test may have ended.
        let _ = report.send(event.change.clone());
    };
    (Box::new(on_event), reports)
}

#[test]
fn reader_that_stops_blocks_nobody_and_lost_lines_are_reported() {
    const LINES: usize = 4_000;
    let ((permit, permits), (read, lengths), (on_event, reports)) =
        (channel(), channel(), reports());
    let log = LineLog::to_stream("pipe", Reader { permits, read }, on_event).unwrap();
    let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
    for _ in 0..LINES {
        log.write_with(|out| out.extend_from_slice(&line));
    }
    log.flush_within(Duration::from_millis(10));
    assert!(lengths.try_recv().is_err(), "nothing was read");
    // Two buffers are full: that of the queue, and that of the thread.
    for _ in 0..2 {
        permit.send(true).unwrap();
    }
    let LogChange::Dropped { lines: lost } = reports.recv_timeout(LONG).unwrap() else {
        panic!("another report");
    };
    log.flush_within(LONG);
    let written: usize = lengths.try_iter().sum();
    assert_eq!(written / line.len() + usize::try_from(lost).unwrap(), LINES);
    assert!(written <= 2 * LineLog::MAX_BYTES);
}

#[test]
fn outage_is_reported_once_and_ends_by_itself() {
    let ((permit, permits), (read, _lengths), (on_event, reports)) =
        (channel(), channel(), reports());
    let log = LineLog::to_stream("disk", Reader { permits, read }, on_event).unwrap();
    let write = |permitted: bool| {
        permit.send(permitted).unwrap();
        log.write_with(|out| out.extend_from_slice(b"line\n"));
        log.flush_within(LONG);
    };
    write(false);
    write(false);
    write(true);
    let found: Vec<_> = (0..3)
        .map(|_| reports.recv_timeout(LONG).unwrap())
        .collect();
    assert!(matches!(&found[0], LogChange::Degraded { error } if !error.is_empty()));
    assert_eq!(
        found[1..],
        [LogChange::Recovered, LogChange::Dropped { lines: 2 }]
    );
}

#[test]
fn file_has_all_lines_once_it_is_flushed() {
    let folder = TempFolder::new("line-log");
    let path = folder.path().join("log");
    let target = LogTarget::File(path.clone(), Rotation::default());
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    let on_event = Box::new(move |_: &_| *count.lock().unwrap() += 1);
    let log = LineLog::start(&target, on_event).unwrap();
    for _ in 0..1000 {
        log.write_with(|out| out.extend_from_slice(b"line\n"));
    }
    log.flush_within(LONG);
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        "line\n".repeat(1000)
    );
    assert_eq!(*seen.lock().unwrap(), 0);
    assert!(
        LineLog::start(
            &LogTarget::File(folder.path().join("no/log"), Rotation::default()),
            Box::new(|_| {})
        )
        .is_err()
    );
}
