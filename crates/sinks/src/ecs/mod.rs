//! Events and requests as JSON with the field names of the Elastic Common Schema (ECS).

mod access;
mod entry;
mod event;
mod json;
mod own;

use std::time::SystemTime;

use gabion_core::{AccessRecord, Event};

use self::entry::Entry;
use crate::Pseudonyms;

/// Formats events and requests as JSON, one line each, with the field names of the Elastic Common Schema.
///
/// The guide has every field (`gabion::guide::logs`). Fields without a name in ECS begin with `gabion.`.
/// Each line has the version of the schema, [`Ecs::SCHEMA`]: later versions with the same number only add fields.
///
/// - A line has no control characters but its end: one event is one line.
/// - Bytes from clients are printable ASCII, others are written as `\xNN` ([`Escaped`](gabion_core::Escaped)).
/// - Secrets are redacted: values of queries, fragments and userinfo are `…`
///   ([`Redacted`](gabion_core::Redacted)), and matched bytes are written only if they are of the path or of
///   `User-Agent`. No header but `User-Agent`, `Referer` and the host is in a line.
///
/// # Examples
///
/// ```
/// use std::time::UNIX_EPOCH;
/// use gabion_core::Event;
/// use gabion_sinks::Ecs;
///
/// let mut line = Vec::new();
/// Ecs::new().write_event(&Event::Setup("set a sink"), UNIX_EPOCH, &mut line);
/// let line = String::from_utf8(line)?;
/// assert!(line.starts_with(r#"{"@timestamp":"1970-01-01T00:00:00.000Z","ecs.version":"#));
/// assert!(line.ends_with("\"message\":\"set a sink\"}\n"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Ecs {
    pseudonyms: Option<Pseudonyms>,
    shows_secrets: bool,
}

// === impl Ecs ===

impl Ecs {
    /// The version of the schema: it changes if a field is removed, or has another type or meaning.
    pub const SCHEMA: u64 = 1;

    /// The version of the Elastic Common Schema.
    pub const ECS_VERSION: &str = "8.17.0";

    /// Creates a format that redacts secrets and shows addresses.
    pub const fn new() -> Self {
        Self {
            pseudonyms: None,
            shows_secrets: false,
        }
    }

    /// Replaces addresses of clients and peers by pseudonyms. They are in `client.address` and `source.address`,
    /// in place of `client.ip` and `source.ip`.
    pub fn with_pseudonyms(self, pseudonyms: Pseudonyms) -> Self {
        Self {
            pseudonyms: Some(pseudonyms),
            ..self
        }
    }

    /// Sets whether values of queries, userinfo and all matched bytes are shown.
    pub fn with_secrets(self, shows_secrets: bool) -> Self {
        Self {
            shows_secrets,
            ..self
        }
    }

    /// Appends the line of `event`. `now` is the time of an event that has none.
    pub fn write_event(&self, event: &Event, now: SystemTime, out: &mut Vec<u8>) {
        let mut entry = Entry::begin(self, event.at().unwrap_or(now), "gabion.event", out);
        entry.event(event);
        entry.end();
    }

    /// Appends the line of a request.
    pub fn write_access(&self, request: &AccessRecord<'_>, out: &mut Vec<u8>) {
        let mut entry = Entry::begin(self, request.at, "gabion.access", out);
        entry.access(request);
        entry.end();
    }

    pub(crate) const fn pseudonyms(&self) -> Option<&Pseudonyms> {
        self.pseudonyms.as_ref()
    }
}
