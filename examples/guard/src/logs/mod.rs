//! The logs of events and requests, and the last events in memory.

mod args;

use std::{
    error::Error,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, SystemTime},
};

use gabion::{
    Guard,
    event::{
        AccessFormat, AccessLog, AccessSink, Combined, Ecs, Event, EventId, EventLog, EventRing,
        LineLog, LogEvent, LogTarget, OnLogEvent, Pseudonyms, Sink,
    },
};
use gabion_admin::EventSource;
use tracing::warn;

pub(crate) use args::{AccessFormatArg, LogArgs};

/// The logs that the options name. Dropping them waits until the queued lines are written, for a second at most.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    events: Option<EventLog>,
    access: Option<AccessLog>,
    lines: Vec<LineLog>,
    reports: ReportSink,
}

/// The sink of the guard, for reports of the logs themselves: empty until there is a guard.
#[derive(Clone, Debug, Default)]
struct ReportSink(Arc<OnceLock<Weak<dyn Sink>>>);

/// A sink that passes events on to the log of events as well.
pub(crate) struct LoggingSink<S> {
    inner: S,
    events: Option<EventLog>,
}

/// A sink that keeps the last events, and passes all on.
pub(crate) struct KeepingSink {
    inner: Arc<dyn Sink>,
    ring: Option<Arc<EventRing>>,
}

/// The last events, for the admin API.
pub(crate) struct LastEvents(pub(crate) Arc<EventRing>);

/// The word in place of a file.
pub(crate) const STDOUT: &str = "stdout";

/// The last events in memory: their number and bytes.
const KEPT_EVENTS: usize = 4_096;
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// The time that the end of the process waits for each log.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// Creates the memory of the last events, if the admin API can show them.
pub(crate) fn ring(has_admin: bool) -> Option<Arc<EventRing>> {
    has_admin.then(|| Arc::new(EventRing::new(KEPT_EVENTS, KEPT_BYTES)))
}

// === impl Logs ===

impl Logs {
    /// Opens the logs that the options name.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be opened, or if the key of pseudonyms cannot be read.
    pub(crate) fn open(args: &LogArgs) -> Result<Self, Box<dyn Error>> {
        let mut logs = Self::default();
        let pseudonyms = args.pseudonyms.as_deref().map(read_key).transpose()?;
        let ecs = match pseudonyms.clone() {
            Some(pseudonyms) => Ecs::new().with_pseudonyms(pseudonyms),
            None => Ecs::new(),
        };
        if let Some(path) = &args.events_file {
            let lines = logs.start("events", path, args)?;
            logs.events = Some(EventLog::new(ecs.clone(), lines));
        }
        if let Some(path) = &args.access_log {
            let lines = logs.start("access", path, args)?;
            let format = match (args.access_format, pseudonyms) {
                (AccessFormatArg::Json, _) => AccessFormat::Json(ecs),
                (AccessFormatArg::Combined, None) => AccessFormat::Combined(Combined::new()),
                (AccessFormatArg::Combined, Some(pseudonyms)) => {
                    AccessFormat::Combined(Combined::new().with_pseudonyms(pseudonyms))
                }
            };
            logs.access = Some(AccessLog::new(format, lines));
        }
        Ok(logs)
    }

    /// Reports outages of the logs to the sink of `guard` from now on.
    pub(crate) fn report_to(&self, guard: &Guard) {
        self.reports.0.get_or_init(|| Arc::downgrade(&guard.sink()));
    }

    /// Passes events on to the log of events.
    pub(crate) fn sink<S>(&self, inner: S) -> LoggingSink<S> {
        LoggingSink {
            inner,
            events: self.events.clone(),
        }
    }

    /// The access log, if there is one.
    pub(crate) fn access(&self) -> Option<Arc<dyn AccessSink>> {
        let access = self.access.clone()?;
        Some(Arc::new(access))
    }

    fn start(&mut self, key: &str, path: &Path, args: &LogArgs) -> Result<LineLog, String> {
        let target = if path == Path::new(STDOUT) {
            LogTarget::Stdout
        } else {
            LogTarget::File(path.to_owned(), args.rotation.clone())
        };
        let lines = LineLog::start(&target, self.reports.clone().into()).map_err(|error| {
            let path = path.display();
            format!(
                "cannot write the log `{key}` to {path}: {error}; create its folder for the user that runs the \
                 guard"
            )
        })?;
        self.lines.push(lines.clone());
        Ok(lines)
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        for lines in &self.lines {
            lines.flush_within(FLUSH_TIME);
        }
    }
}

// === impl ReportSink ===

impl From<ReportSink> for OnLogEvent {
    fn from(sink: ReportSink) -> Self {
        Box::new(move |event: &LogEvent| {
            if let Some(sink) = sink.0.get().and_then(Weak::upgrade) {
                sink.record(&Event::Log(event.clone()));
            } else {
                // At the start, or at the end.
                warn!("{event}");
            }
        })
    }
}

// === impl LoggingSink ===

impl<S: Sink> Sink for LoggingSink<S> {
    fn record(&self, event: &Event) {
        if let Some(events) = &self.events {
            events.record(event);
        }
        self.inner.record(event);
    }

    fn flush(&self, now: SystemTime) {
        self.inner.flush(now);
    }
}

// === impl KeepingSink ===

impl KeepingSink {
    pub(crate) const fn new(inner: Arc<dyn Sink>, ring: Option<Arc<EventRing>>) -> Self {
        Self { inner, ring }
    }
}

impl Sink for KeepingSink {
    fn record(&self, event: &Event) {
        if let Some(ring) = &self.ring {
            ring.record(event);
        }
        self.inner.record(event);
    }

    fn flush(&self, now: SystemTime) {
        self.inner.flush(now);
    }
}

// === impl LastEvents ===

impl EventSource for LastEvents {
    fn find(&self, id: EventId) -> Option<String> {
        let (event, at) = self.0.find(id)?;
        Some(unredacted(&event, at))
    }

    fn last(&self, count: usize) -> Vec<String> {
        let events = self.0.last(count);
        events
            .iter()
            .map(|(event, at)| unredacted(event, *at))
            .collect()
    }
}

fn unredacted(event: &Event, at: SystemTime) -> String {
    let mut line = Vec::new();
    Ecs::new()
        .with_secrets(true)
        .write_event(event, at, &mut line);
    String::from_utf8_lossy(&line).into_owned()
}

/// Reads the key of pseudonyms.
#[expect(clippy::disallowed_methods, reason = "once, at the start")]
fn read_key(path: &Path) -> Result<Pseudonyms, Box<dyn Error>> {
    let shown = path.display();
    let error = |error| format!("cannot read the key of pseudonyms in {shown}: {error}");
    let key = fs::read(path).map_err(error)?;
    let mode = fs::metadata(path).map_err(error)?.permissions().mode();
    if mode & 0o077 != 0 {
        warn!("other users may read the key of pseudonyms: `chmod 600 {shown}`");
    }
    let pseudonyms = Pseudonyms::new(key.trim_ascii());
    Ok(pseudonyms.map_err(|error| format!("{shown}: {error}"))?)
}
