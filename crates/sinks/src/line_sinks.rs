//! Sinks that write lines to a log.

use gabion_core::{AccessRecord, AccessSink, Event, Sink};

use crate::{Combined, Ecs, LineLog, clock::wall_clock};

/// A sink that writes each event as a line of JSON to a [`LineLog`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion_core::{Event, Sink};
/// use gabion_sinks::{Ecs, EventLog, LineLog};
///
/// let log = LineLog::to_stream("stderr", std::io::stderr(), Box::new(|_| {}))?;
/// let sink = EventLog::new(Ecs::new(), log.clone());
/// sink.record(&Event::Setup("set a sink"));
/// log.flush_within(Duration::from_secs(1));
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventLog {
    format: Ecs,
    log: LineLog,
}

/// A sink that writes each request as a line to a [`LineLog`].
#[derive(Clone, Debug)]
pub struct AccessLog {
    format: AccessFormat,
    log: LineLog,
}

/// The format of an [`AccessLog`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AccessFormat {
    /// The combined log format.
    Combined(Combined),
    /// JSON.
    Json(Ecs),
}

// === impl EventLog ===

impl EventLog {
    /// Writes events to `log`.
    pub const fn new(format: Ecs, log: LineLog) -> Self {
        Self { format, log }
    }
}

impl Sink for EventLog {
    fn record(&self, event: &Event) {
        let now = event.at().unwrap_or_else(wall_clock);
        self.log
            .write_with(|line| self.format.write_event(event, now, line));
    }
}

// === impl AccessLog ===

impl AccessLog {
    /// Writes requests to `log`.
    pub const fn new(format: AccessFormat, log: LineLog) -> Self {
        Self { format, log }
    }
}

impl AccessSink for AccessLog {
    fn record(&self, request: &AccessRecord<'_>) {
        self.log.write_with(|line| match &self.format {
            AccessFormat::Combined(format) => format.write_access(request, line),
            AccessFormat::Json(format) => format.write_access(request, line),
        });
    }
}
