//! The lines of the log.

use std::{
    fmt::{self, Write as _},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, StatusCode, Uri};

/// The fields of a line that are known when the request arrives, escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestFields {
    path: Box<str>,
    forwarded_for: Box<str>,
}

/// A time in seconds, with milliseconds.
struct Seconds(Duration);

/// The number of bytes of a path or an `X-Forwarded-For` that are written.
const MAX_FIELD: usize = 256;

// === impl RequestFields ===

impl RequestFields {
    pub(super) fn new(uri: &Uri, headers: &HeaderMap) -> Self {
        let forwarded = headers.get_all("x-forwarded-for");
        Self {
            path: escape([uri.path().as_bytes()]),
            forwarded_for: escape(forwarded.iter().map(http::HeaderValue::as_bytes)),
        }
    }

    /// Returns the line of a request that was completed at `completed`, `elapsed` after it arrived.
    pub(super) fn line(
        &self,
        completed: SystemTime,
        status: StatusCode,
        elapsed: Duration,
    ) -> String {
        let completed = completed.duration_since(UNIX_EPOCH).unwrap_or_default();
        let [completed, elapsed] = [completed, elapsed].map(Seconds);
        let (path, status, forwarded_for) = (&self.path, status.as_u16(), &self.forwarded_for);
        format!("{completed}\"{path}\"{status}\"{elapsed}\"{elapsed}\"{forwarded_for}\n")
    }
}

// === impl Seconds ===

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_millis())
    }
}

/// Joins values with `, `, and escapes what is not printable ASCII, `"` and `\`. Returns `-` if there
/// is nothing to write.
fn escape<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Box<str> {
    let mut escaped = String::new();
    let joined = values.into_iter().enumerate().flat_map(|(nth, value)| {
        let separator: &[u8] = if nth == 0 { b"" } else { b", " };
        separator.iter().chain(value)
    });
    for &byte in joined.take(MAX_FIELD) {
        if matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a `String` does not fail.
            let _ = write!(escaped, "\\x{byte:02X}");
        }
    }
    if escaped.is_empty() {
        escaped.push('-');
    }
    escaped.into()
}
