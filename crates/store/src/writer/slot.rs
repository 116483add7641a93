//! A file that may not work, and is opened again with increasing intervals.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gabion_core::{BanSnapshot, Event, Sink, StoreEvent};

use crate::{
    PartState, PartStatus, StoreError, StoreOptions, StoreProblem, clock,
    disk::Disk,
    error::FileError,
    file::{self, StoreFile, contained},
};

/// The first and the longest interval between two attempts to open a file.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// The interval while another process has the folder: its successor takes over soon after its end.
const LOCKED_RETRY: Duration = Duration::from_millis(250);
/// The time for which a file counts as slow after an access that was.
const SLOW_FOR: Duration = Duration::from_secs(5);
/// A disk access that takes longer is reported.
pub(crate) const SLOW: Duration = Duration::from_secs(1);

/// One file, if it works.
pub(super) struct Slot<F> {
    pub(super) file: Option<F>,
    /// Set once its rows were read in this process. Before that, they are not replaced.
    is_loaded: bool,
    /// Set while updates are missing in it.
    pub(super) misses: bool,
    /// Until then the file counts as slow, unless a write takes less time before.
    slow_until: Option<Instant>,
    next_attempt: Instant,
    interval: Duration,
    /// Set from the report of an outage to that of its end.
    is_reported: bool,
    problem: Option<StoreProblem>,
    pub(super) status: PartStatus,
    disk: Arc<dyn Disk>,
    sink: Arc<dyn Sink>,
}

// === impl Slot ===

impl<F: StoreFile> Slot<F> {
    pub(super) fn new(disk: Arc<dyn Disk>, sink: Arc<dyn Sink>) -> Self {
        Self {
            file: None,
            is_loaded: false,
            misses: false,
            slow_until: None,
            next_attempt: clock::monotonic(),
            interval: FIRST_RETRY,
            is_reported: false,
            problem: None,
            status: PartStatus::default(),
            disk,
            sink,
        }
    }

    /// The time of the next attempt to open the file; `None` while it works.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        self.file.is_none().then_some(self.next_attempt)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next_attempt().is_some_and(|at| at <= now)
    }

    /// Opens the file. Returns its rows if they were not read before in this process.
    pub(super) fn open(&mut self, options: &StoreOptions) -> Option<BanSnapshot> {
        match self.open_or_replace(options).and_then(|file| {
            let mut rows = BanSnapshot::default();
            if !self.is_loaded {
                file.load(&mut rows)?;
            }
            Ok((file, rows))
        }) {
            Ok((file, rows)) => {
                self.file = Some(file);
                self.interval = FIRST_RETRY;
                self.problem = None;
                self.status.last_sync = Some(clock::wall());
                (!std::mem::replace(&mut self.is_loaded, true)).then_some(rows)
            }
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    fn open_or_replace(&mut self, options: &StoreOptions) -> Result<F, FileError> {
        let disk = self.disk.clone();
        match file::open(&*disk, options) {
            Err(FileError::Corrupt(why)) => {
                let second = clock::to_micros(clock::wall()) / 1_000_000;
                let to = disk.move_aside(F::NAME, second)?;
                self.status.last_error = Some(why.as_str().into());
                let to = to.display().to_string();
                self.report(StoreEvent::moved_aside(clock::wall(), F::PART, &to, &why));
                file::open(&*disk, options)
            }
            result => result,
        }
    }

    /// Runs `operation` on the file, and closes it if that fails. `None` if the file does not work.
    pub(super) fn run<T>(
        &mut self,
        operation: impl FnOnce(&mut F) -> Result<T, FileError>,
    ) -> Option<T> {
        let began = clock::monotonic();
        let result = operation(self.file.as_mut()?);
        let took = clock::monotonic() - began;
        match result {
            Ok(value) => {
                self.status.last_sync = Some(clock::wall());
                self.note_time(took);
                Some(value)
            }
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    fn note_time(&mut self, took: Duration) {
        let is_slow = took > SLOW;
        self.slow_until = is_slow.then(|| clock::monotonic() + SLOW_FOR);
        if is_slow && !self.is_reported {
            let error = format!("a write took {:.1} s", took.as_secs_f64());
            self.is_reported = true;
            self.report(StoreEvent::degraded(clock::wall(), F::PART, &error));
        }
    }

    /// Closes the file because of `error`, and reports the outage once.
    pub(super) fn fail(&mut self, error: &FileError) {
        let file = self.file.take();
        // Closing a damaged database may panic; the file is opened again anyway.
        let _ = contained(|| {
            drop(file);
            Ok(())
        });
        self.problem = Some(error.problem());
        self.misses = true;
        let text = error.to_string();
        let is_new = self.status.last_error.as_deref() != Some(text.as_str());
        self.status.last_error = Some(text.as_str().into());
        if !self.is_reported || is_new && !matches!(error, FileError::Other(_)) {
            self.is_reported = true;
            self.report(StoreEvent::degraded(clock::wall(), F::PART, &text));
        }
        let wait = match error {
            FileError::Locked => LOCKED_RETRY,
            _ => self.interval,
        };
        self.interval = (self.interval * 2).min(LONGEST_RETRY);
        self.next_attempt = clock::monotonic() + wait;
    }

    /// Closes a file that is not at its path anymore.
    pub(super) fn check_path(&mut self) {
        if self.file.is_some() && !self.disk.holds(F::NAME) {
            self.fail(&FileError::Other(format!("{} was deleted", F::NAME)));
        }
    }

    /// Reports the end of an outage, if there was one and nothing is missing in the file.
    pub(super) fn settle(&mut self) {
        let now = clock::monotonic();
        self.slow_until = self.slow_until.filter(|until| *until > now);
        let is_settled = self.file.is_some() && !self.misses && self.slow_until.is_none();
        if is_settled && std::mem::take(&mut self.is_reported) {
            self.report(StoreEvent::recovered(clock::wall(), F::PART));
        }
        self.status.bytes = self.disk.size(F::NAME);
        self.status.state = match self.problem {
            Some(problem) => PartState::Degraded(problem),
            None if self.misses => PartState::Incomplete,
            None if self.slow_until.is_some() => PartState::Slow,
            None => PartState::Ready,
        };
    }

    /// The error of a caller that waits for this file; `None` if every update is written.
    pub(super) fn error(&self) -> Option<StoreError> {
        if self.file.is_some() && !self.misses {
            return None;
        }
        let no_source = "some bans are not written, and no source of bans is attached";
        let error = match self.file {
            Some(_) => no_source,
            None => self.status.last_error.as_deref().unwrap_or("not open yet"),
        };
        let error = error.into();
        let file = F::NAME;
        Some(StoreError::Degraded { file, error })
    }

    pub(super) fn report(&self, event: StoreEvent) {
        self.sink.record(&Event::Store(event));
    }
}
